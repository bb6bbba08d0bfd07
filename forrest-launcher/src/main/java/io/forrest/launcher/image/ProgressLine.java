package io.forrest.launcher.image;

import io.forrest.images.ImportProgress;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.OptionalLong;

/**
 * Shows how far an import is: on a terminal in one line that is rewritten, elsewhere in a line for each tenth. For one thread,
 * but for {@link #close}.
 */
final class ProgressLine implements ImportProgress, AutoCloseable {
    private static final String CLEAR_LINE = "\r\033[K";
    private static final Duration REFRESH = Duration.ofMillis(200);

    /** Of what nobody knows the length of, a line is due for each so many. */
    private static final long UNKNOWN_STEP_BYTES = 256L << 20;

    private final PrintWriter out;
    private final boolean terminal;
    private Step step;
    private long shownTenth;
    private long shownNanos;
    private boolean lineIsOpen;

    ProgressLine(PrintWriter out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    @Override
    public synchronized void at(Step now, long doneBytes, OptionalLong totalBytes) {
        boolean begins = now != step;
        step = now;
        if (terminal ? isDue(begins) : isNextTenth(begins, doneBytes, totalBytes)) {
            String line = words(now) + " " + text(doneBytes, totalBytes);
            if (terminal) {
                out.print(CLEAR_LINE + line);
                lineIsOpen = true;
            } else {
                out.println(line);
            }
            out.flush();
        }
    }

    private boolean isDue(boolean begins) {
        long nanos = System.nanoTime();
        boolean due = begins || nanos - shownNanos >= REFRESH.toNanos();
        if (due) {
            shownNanos = nanos;
        }
        return due;
    }

    private boolean isNextTenth(boolean begins, long doneBytes, OptionalLong totalBytes) {
        long tenth = totalBytes.isPresent()
                ? doneBytes / Math.max(1, totalBytes.getAsLong() / 10)
                : doneBytes / UNKNOWN_STEP_BYTES;
        boolean due = begins ? tenth > 0 : tenth != shownTenth;
        shownTenth = tenth;
        return due;
    }

    private static String text(long doneBytes, OptionalLong totalBytes) {
        if (totalBytes.isEmpty()) {
            return Columns.size(doneBytes);
        }
        long percent = (long) (100.0 * doneBytes / Math.max(1, totalBytes.getAsLong()));
        return percent + " % of " + Columns.size(totalBytes.getAsLong());
    }

    private static String words(Step step) {
        return switch (step) {
            case DOWNLOAD -> "Downloaded";
            case COPY -> "Copied";
            case CONVERT -> "Converted";
            case CHECK -> "Checked";
        };
    }

    /** Leaves the terminal at the beginning of a line. A second call does nothing. */
    @Override
    public synchronized void close() {
        if (lineIsOpen) {
            out.print(CLEAR_LINE);
            out.flush();
            lineIsOpen = false;
        }
    }
}
