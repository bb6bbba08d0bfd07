package io.forrest.launcher.chaos;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;

/**
 * A job of the plan. It writes a file that nobody else writes: its name and then a stream of numbers from its own seed.
 *
 * @param number from 0
 * @param patternSeed from 0 to 2^31 - 1
 * @param patternLines of 9 bytes each
 * @param length for how long it runs beside that
 * @param cancelAfter its queueing; only of jobs that are cancelled
 */
record PlannedJob(
        int number,
        JobKind kind,
        String machineType,
        long patternSeed,
        int patternLines,
        Duration length,
        Optional<Duration> cancelAfter) {
    /** Where jobs write, on the machine's disk: the tiny guest's disk is a FAT that is mounted on /srv. */
    static final String DIRECTORY = "chaos";

    static final String SECRET = "PERSISTENCE_TOKEN";

    /** What the script begins with, and its last line unless it fails, for who reads the log. */
    private static final String BEGINS = "chaos-begin ";

    private static final String ENDS = "chaos-end ";
    private static final String SEES = "chaos-sees";

    // Small enough for awk, which counts in doubles.
    private static final long FACTOR = 69069;
    private static final long MODULUS = 1L << 31;

    String name() {
        return "j%03d-%s".formatted(number, kind.name().toLowerCase(Locale.ROOT));
    }

    /** The file that it writes, in {@link #DIRECTORY}. */
    String file() {
        return name() + ".dat";
    }

    String beginning() {
        return BEGINS + name();
    }

    String ending() {
        return ENDS + name();
    }

    /** The files that a job found when it began, each with a space before it, are behind this in a line of its log. */
    String seeing() {
        return SEES + " " + name();
    }

    boolean persists() {
        return kind == JobKind.PERSISTS;
    }

    /** How it ends at GitHub if nobody disturbs it; of a cancelled one nobody can know. */
    String conclusion() {
        return kind == JobKind.FAILS ? "failure" : "success";
    }

    /** As a POSIX shell runs it. */
    String script() {
        String place = "/srv/" + DIRECTORY;
        StringBuilder script = new StringBuilder(
                """
                set -e
                echo '%1$s'
                mkdir -p %2$s
                echo "%3$s" $(ls %2$s)
                awk -v x=%4$d -v n=%5$d 'BEGIN { print "%6$s"; while (n-- > 0) { x = (x * %7$d + 1) %% %8$d; printf "%%08x\\n", x } }' > %2$s/%9$s
                """
                        .formatted(
                                beginning(),
                                place,
                                seeing(),
                                patternSeed,
                                patternLines,
                                name(),
                                FACTOR,
                                MODULUS,
                                file()));
        if (!length.isZero()) {
            script.append("sleep %d\n".formatted(length.toSeconds()));
        }
        String token =
                switch (kind) {
                    case PERSISTS, PULL -> "${{ secrets." + SECRET + " }}";
                    case WRONG -> "a-wrong-token";
                    case PLAIN, FAILS, CANCELLED -> "";
                };
        script.append("sync\n");
        if (!token.isEmpty()) {
            script.append("printf %%s '%s' > /home/runner/config/persist\nsync\n".formatted(token));
        }
        script.append("echo '%s'\n".formatted(ending()));
        if (kind == JobKind.FAILS) {
            script.append("exit 1\n");
        }
        return script.toString();
    }

    /** What {@link #script} writes to {@link #file}. */
    byte[] pattern() {
        StringBuilder text = new StringBuilder(name().length() + 1 + 9 * patternLines);
        text.append(name()).append('\n');
        HexFormat hex = HexFormat.of();
        long x = patternSeed;
        for (int line = 0; line < patternLines; line++) {
            x = (x * FACTOR + 1) % MODULUS;
            text.append(hex.toHexDigits((int) x)).append('\n');
        }
        return text.toString().getBytes(StandardCharsets.US_ASCII);
    }

    /** Of {@link #pattern}. */
    String patternDigest() {
        return digest(pattern());
    }

    static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
