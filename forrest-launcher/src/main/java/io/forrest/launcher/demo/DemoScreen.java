package io.forrest.launcher.demo;

import io.forrest.ForrestListener;
import io.forrest.domain.MachineId;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import java.io.PrintWriter;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * Shows what each machine is doing and for how long, and remembers it. On a terminal the last line is rewritten each
 * second; elsewhere each change has a line. Thread-safe.
 */
final class DemoScreen implements ForrestListener {
    private static final Duration REFRESH = Duration.ofSeconds(1);
    private static final String CLEAR_LINE = "\r\033[K";

    private final PrintWriter out;
    private final boolean terminal;
    private final Clock clock;
    private final Instant start;

    // Guarded by this.
    private final Map<String, Life> lives = new LinkedHashMap<>();

    /** What was seen of one machine. */
    record Life(MachineSnapshot last, Optional<Instant> onlineAt) {
        boolean isOver() {
            return last.state() == MachineState.STOPPED;
        }
    }

    DemoScreen(PrintWriter out, boolean terminal, Clock clock) {
        this.out = out;
        this.terminal = terminal;
        this.clock = clock;
        this.start = clock.instant();
    }

    /** A line that stays. */
    synchronized void say(String line) {
        out.println((terminal ? CLEAR_LINE : "") + line);
        out.flush();
    }

    @Override
    public synchronized void machineChanged(MachineSnapshot machine) {
        String name = machine.id().runnerName();
        Optional<Instant> onlineAt = Optional.ofNullable(lives.get(name))
                .flatMap(Life::onlineAt)
                .or(() -> isOnline(machine) ? Optional.of(machine.since()) : Optional.empty());
        lives.put(name, new Life(machine, onlineAt));
        say("%7s  %s  %-11s %s"
                .formatted(
                        seconds(Duration.between(start, clock.instant())),
                        shortName(machine.id()),
                        machine.state().name().toLowerCase(Locale.ROOT),
                        machine.outcome().map(DemoScreen::words).orElse(machine.reason())));
        notifyAll();
    }

    /** What became of a machine's disk, and why. */
    static String words(MachineOutcome outcome) {
        String disk =
                switch (outcome.disk()) {
                    case PROMOTED -> "promoted: ";
                    case DISCARDED -> "thrown away: ";
                    case RESCUED -> "kept aside: ";
                    case NONE -> "never had a disk: ";
                };
        return disk + outcome.reason();
    }

    private static boolean isOnline(MachineSnapshot machine) {
        return machine.state() == MachineState.WAITING || machine.state() == MachineState.RUNNING;
    }

    /** Enough of a machine's name to tell it from the others. */
    static String shortName(MachineId machine) {
        return machine.runnerName().substring(machine.runnerName().length() - 6);
    }

    static String seconds(Duration duration) {
        return "%.1f s".formatted(duration.toMillis() / 1000.0);
    }

    /**
     * Waits until {@code answer} finds something in what was seen of the machines, by runner name, and shows meanwhile what
     * they do. Looks again after each change and each second.
     */
    <T> T await(String what, Duration atMost, Function<Map<String, Life>, Optional<T>> answer)
            throws InterruptedException, TimeoutException {
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (true) {
            synchronized (this) {
                Optional<T> found = answer.apply(lives);
                if (found.isPresent()) {
                    return found.get();
                }
                if (System.nanoTime() > deadlineNanos) {
                    throw new TimeoutException(what + " took more than " + seconds(atMost));
                }
                showLiveLine();
                TimeUnit.MILLISECONDS.timedWait(this, REFRESH.toMillis());
            }
        }
    }

    private void showLiveLine() {
        if (!terminal) {
            return;
        }
        StringBuilder line = new StringBuilder();
        for (Life life : lives.values()) {
            if (!life.isOver()) {
                MachineSnapshot machine = life.last();
                line.append("   ")
                        .append(shortName(machine.id()))
                        .append(' ')
                        .append(machine.state().name().toLowerCase(Locale.ROOT))
                        .append(" for ")
                        .append(seconds(Duration.between(machine.since(), clock.instant())));
            }
        }
        // Back at its beginning, so that a warning of the log does not begin at its end.
        out.print(CLEAR_LINE + line + "\r");
        out.flush();
    }
}
