package io.forrest.github.embedded;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** How the embedded GitHub misbehaves. Thread-safe; all settings hold until they are changed. */
public final class Faults {
    private final Deque<Fault> nextAnswers = new ArrayDeque<>();
    private Optional<Fault> everyAnswer = Optional.empty();
    private Optional<Random> dice = Optional.empty();
    private double rate;
    private Fault byChance = Fault.status(500);
    private int webhooksToDrop;
    private int webhookCopies = 1;
    private Duration webhookDelay = Duration.ZERO;
    private int webhooksToReorder;

    /** What becomes of an answer to a REST request. */
    public record Fault(OptionalInt status, Optional<Duration> retryAfter) {
        /** An error page instead of the answer; the request is not carried out. */
        public static Fault status(int status) {
            return new Fault(OptionalInt.of(status), Optional.empty());
        }

        /** As {@link #status}, with a {@code Retry-After}. */
        public static Fault status(int status, Duration retryAfter) {
            return new Fault(OptionalInt.of(status), Optional.of(retryAfter));
        }

        /** The connection ends without an answer, though the request was carried out. */
        public static Fault cutConnection() {
            return new Fault(OptionalInt.empty(), Optional.empty());
        }
    }

    /** The next {@code count} REST requests meet {@code fault}. */
    public synchronized void failNext(int count, Fault fault) {
        for (int i = 0; i < count; i++) {
            nextAnswers.add(fault);
        }
    }

    /** An outage: every REST request meets {@code fault}, until empty is given. */
    public synchronized void failAll(Optional<Fault> fault) {
        everyAnswer = fault;
    }

    /** Each REST request meets {@code fault} with this probability; repeatable by seed. */
    public synchronized void failSometimes(double probability, long seed, Fault fault) {
        rate = probability;
        dice = Optional.of(new Random(seed));
        byChance = fault;
    }

    /** The next {@code count} webhooks are never sent. */
    public synchronized void dropWebhooks(int count) {
        webhooksToDrop = count;
    }

    /** Every webhook is sent so many times. */
    public synchronized void repeatWebhooks(int copies) {
        webhookCopies = copies;
    }

    /** Every webhook is sent so much later. */
    public synchronized void delayWebhooks(Duration delay) {
        webhookDelay = delay;
    }

    /** The next {@code count} webhooks are held back and then sent last first. */
    public synchronized void reorderWebhooks(int count) {
        webhooksToReorder = count;
    }

    synchronized Optional<Fault> forRequest() {
        if (!nextAnswers.isEmpty()) {
            return Optional.of(nextAnswers.remove());
        }
        if (everyAnswer.isPresent()) {
            return everyAnswer;
        }
        return dice.isPresent() && dice.get().nextDouble() < rate ? Optional.of(byChance) : Optional.empty();
    }

    synchronized boolean dropsWebhook() {
        if (webhooksToDrop > 0) {
            webhooksToDrop--;
            return true;
        }
        return false;
    }

    synchronized int webhookCopies() {
        return webhookCopies;
    }

    synchronized Duration webhookDelay() {
        return webhookDelay;
    }

    synchronized int takeWebhooksToReorder() {
        int count = webhooksToReorder;
        webhooksToReorder = 0;
        return count;
    }
}
