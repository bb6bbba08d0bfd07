package io.forrest.launcher.chaos;

import io.forrest.failpoint.FailPoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Has a daemon run at all times, gives each the end that the plan has for it, and starts the next. Does its work in {@link
 * #tick}, on one thread.
 */
final class DaemonKeeper implements AutoCloseable {
    private static final Duration LONGEST_START = Duration.ofSeconds(60);

    /** For a step that no machine comes to; with machines at work all the time each is passed every few seconds. */
    private static final Duration LONGEST_WAY_TO_A_STEP = Duration.ofSeconds(60);

    private static final Duration LONGEST_ORDERLY_END = Duration.ofSeconds(40);
    private static final int MOST_FAILED_STARTS = 5;
    private static final int KILLED = 137;
    private static final int LAST_WORDS = 12;

    private final Path config;
    private final Path logs;
    private final Chronicle chronicle;
    private final BooleanSupplier excused;
    private final Deque<DaemonEnd> ends;
    private final Set<FailPoint> reached = EnumSet.noneOf(FailPoint.class);
    private final Set<FailPoint> missed = EnumSet.noneOf(FailPoint.class);
    private final List<Long> millisToReady = new ArrayList<>();
    private final List<String> surprises = new ArrayList<>();
    private int starts;
    private int kills;
    private int failedStarts;

    // Of the present one.
    private Optional<DaemonProcess> present = Optional.empty();
    private Optional<DaemonEnd> armed = Optional.empty();
    private boolean seenReady;
    private long terminatedNanos = -1;
    private boolean killedByUs;

    /**
     * Starts none yet.
     *
     * @param logs the directory where each daemon's log goes
     * @param excused whether a daemon that ends by itself just now has a reason
     */
    DaemonKeeper(Path config, Path logs, List<DaemonEnd> ends, Chronicle chronicle, BooleanSupplier excused) {
        this.config = config;
        this.logs = logs;
        this.ends = new ArrayDeque<>(ends);
        this.chronicle = chronicle;
        this.excused = excused;
    }

    /** Whether all planned ends have come, and the daemon that runs now is there to stay. */
    boolean isDone() {
        return ends.isEmpty() && armed.isEmpty();
    }

    /** Whether a daemon runs that has said it is ready. */
    boolean isReady() {
        return present.isPresent() && seenReady;
    }

    /** Looks after the present daemon. Throws if daemons do not start any more. */
    void tick() throws IOException {
        if (present.isEmpty()) {
            start();
            return;
        }
        DaemonProcess daemon = present.get();
        OptionalInt exitCode = daemon.exitCode();
        if (exitCode.isPresent()) {
            ended(daemon, exitCode.getAsInt());
            return;
        }
        if (!seenReady && daemon.isReady()) {
            seenReady = true;
            failedStarts = 0;
            daemon.millisToReady().ifPresent(millisToReady::add);
            chronicle.happened("daemon %d is ready".formatted(starts));
        }
        if (!killedByUs) {
            bringToItsEnd(daemon);
        }
    }

    private void start() throws IOException {
        starts++;
        armed = Optional.ofNullable(ends.peek());
        seenReady = false;
        killedByUs = false;
        terminatedNanos = -1;
        chronicle.happened("daemon %d starts%s"
                .formatted(starts, armed.map(end -> ", and is to end: " + end).orElse("")));
        present = Optional.of(DaemonProcess.start(config, log(starts), armed.flatMap(DaemonEnd::failPoint)));
    }

    private void bringToItsEnd(DaemonProcess daemon) throws IOException {
        if (terminatedNanos >= 0) {
            if (System.nanoTime() - terminatedNanos > LONGEST_ORDERLY_END.toNanos()) {
                surprise(daemon, "did not end within %d s of SIGTERM".formatted(LONGEST_ORDERLY_END.toSeconds()));
                kill(daemon);
            }
            return;
        }
        if (!seenReady && daemon.millisSinceStart() > LONGEST_START.toMillis()) {
            surprise(daemon, "was not ready after %d s".formatted(LONGEST_START.toSeconds()));
            kill(daemon);
            return;
        }
        if (armed.isEmpty()) {
            return;
        }
        DaemonEnd end = armed.get();
        switch (end.how()) {
            case KILLED -> {
                if (daemon.millisSinceStart() > end.after().toMillis()) {
                    kill(daemon);
                }
            }
            case TOLD -> {
                if (seenReady && daemon.millisSinceReady() > end.after().toMillis()) {
                    terminate(daemon);
                }
            }
            case AT_STEP -> {
                if (seenReady && daemon.millisSinceReady() > LONGEST_WAY_TO_A_STEP.toMillis()) {
                    end.step().ifPresent(missed::add);
                    chronicle.happened("daemon %d did not come to %s, and is killed".formatted(starts, end));
                    kill(daemon);
                }
            }
        }
    }

    private void kill(DaemonProcess daemon) {
        killedByUs = true;
        daemon.kill();
    }

    private void terminate(DaemonProcess daemon) {
        terminatedNanos = System.nanoTime();
        daemon.terminate();
    }

    private void ended(DaemonProcess daemon, int exitCode) throws IOException {
        present = Optional.empty();
        boolean atStep = !killedByUs
                && exitCode == KILLED
                && armed.flatMap(DaemonEnd::step).isPresent();
        boolean told = terminatedNanos >= 0 && exitCode == 0;
        if (killedByUs || atStep || told) {
            chronicle.happened("daemon %d has ended%s"
                    .formatted(
                            starts,
                            atStep ? " at " + armed.orElseThrow() : killedByUs ? ", killed" : ", as it was told"));
            if (atStep) {
                armed.flatMap(DaemonEnd::step).ifPresent(reached::add);
            }
            if (!told) {
                kills++;
            }
            if (armed.isPresent()) {
                ends.remove();
            }
        } else {
            surprise(daemon, "ended by itself with %d".formatted(exitCode));
        }
        armed = Optional.empty();
        boolean failed = !seenReady && !killedByUs && !atStep && !excused.getAsBoolean();
        if (failed && ++failedStarts >= MOST_FAILED_STARTS) {
            throw new IOException("daemons do not start any more; the last one's log is " + daemon.log() + ":\n"
                    + String.join("\n", daemon.lastWords(LAST_WORDS)));
        }
    }

    private void surprise(DaemonProcess daemon, String what) throws IOException {
        String line = "daemon %d %s; its log: %s".formatted(starts, what, daemon.log());
        if (excused.getAsBoolean()) {
            chronicle.happened(line + " (the store was full)");
            return;
        }
        chronicle.happened(line);
        surprises.add(line + "; its last words:\n"
                + String.join("\n", daemon.lastWords(LAST_WORDS)).indent(10).stripTrailing());
    }

    /** Tells the present daemon to end; it is not followed by another if nobody calls {@link #tick} after {@link #hasEnded}. */
    void tellToEnd() {
        present.ifPresent(this::terminate);
    }

    /** Whether there is none now. */
    boolean hasEnded() {
        return present.isEmpty();
    }

    int starts() {
        return starts;
    }

    /** All of them, at steps and in between. */
    int kills() {
        return kills;
    }

    Set<FailPoint> reached() {
        return Collections.unmodifiableSet(reached);
    }

    /** Those that were tried for and never reached. */
    Set<FailPoint> missed() {
        Set<FailPoint> never = EnumSet.noneOf(FailPoint.class);
        missed.stream().filter(step -> !reached.contains(step)).forEach(never::add);
        return never;
    }

    List<Long> millisToReady() {
        return Collections.unmodifiableList(millisToReady);
    }

    /** Ends that nobody planned, for people. */
    List<String> surprises() {
        return Collections.unmodifiableList(surprises);
    }

    /** What daemons said of bugs, each with the log's name before it. */
    List<String> bugs() throws IOException {
        return saidOf("A bug:");
    }

    /** All that daemons said with this in it, each with the log's name before it. */
    List<String> saidOf(String what) throws IOException {
        List<String> found = new ArrayList<>();
        for (int number = 1; number <= starts; number++) {
            Path log = log(number);
            Files.readString(log, StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> line.contains(what))
                    .map(line -> log.getFileName() + ": " + line)
                    .forEach(found::add);
        }
        return found;
    }

    private Path log(int number) {
        return logs.resolve("daemon-%03d.log".formatted(number));
    }

    @Override
    public void close() {
        present.ifPresent(DaemonProcess::close);
    }
}
