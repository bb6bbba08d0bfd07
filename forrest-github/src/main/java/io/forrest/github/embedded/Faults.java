package io.forrest.github.embedded;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** How the embedded GitHub misbehaves. Thread-safe; all settings hold until they are changed. */
public final class Faults {
    private static final int GITHUBS_RATE_LIMIT = 5000;

    private final Deque<Fault> nextAnswers = new ArrayDeque<>();
    private Optional<Fault> everyAnswer = Optional.empty();
    private Optional<Random> dice = Optional.empty();
    private double rate;
    private Fault byChance = Fault.status(500);
    private int rateLimit = GITHUBS_RATE_LIMIT;
    private int webhooksToDrop;
    private int webhookCopies = 1;
    private Duration webhookDelay = Duration.ZERO;
    private int webhooksToReorder;

    /** What a REST request meets. Without a status the connection ends in place of an answer. */
    public static final class Fault {
        private final OptionalInt status;
        private final Optional<Duration> retryAfter;
        private final boolean carriedOut;

        private Fault(OptionalInt status, Optional<Duration> retryAfter, boolean carriedOut) {
            this.status = status;
            this.retryAfter = retryAfter;
            this.carriedOut = carriedOut;
        }

        /** An error instead of the answer; the request is not carried out. 403 and 429 speak of a secondary rate limit. */
        public static Fault status(int status) {
            return new Fault(OptionalInt.of(status), Optional.empty(), false);
        }

        /** As {@link #status(int)}, with a {@code Retry-After} in whole seconds. */
        public static Fault status(int status, Duration retryAfter) {
            return new Fault(OptionalInt.of(status), Optional.of(retryAfter), false);
        }

        /** An error instead of the answer, though the request was carried out. */
        public static Fault statusThoughDone(int status) {
            return new Fault(OptionalInt.of(status), Optional.empty(), true);
        }

        /** The connection ends before the request is carried out. */
        public static Fault cut() {
            return new Fault(OptionalInt.empty(), Optional.empty(), false);
        }

        /** The connection ends without an answer, though the request was carried out. */
        public static Fault cutThoughDone() {
            return new Fault(OptionalInt.empty(), Optional.empty(), true);
        }

        OptionalInt status() {
            return status;
        }

        Optional<Duration> retryAfter() {
            return retryAfter;
        }

        boolean carriedOut() {
            return carriedOut;
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

    /** Each REST request meets {@code fault} with this probability, from 0 to 1; repeatable by seed. */
    public synchronized void failSometimes(double probability, long seed, Fault fault) {
        rate = probability;
        dice = Optional.of(new Random(seed));
        byChance = fault;
    }

    /** So many REST requests are answered in an hour, for each installation and for the App itself; GitHub's is 5000. */
    public synchronized void rateLimit(int requestsPerHour) {
        rateLimit = requestsPerHour;
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

    /** Behaves well from now on. Webhooks that are held back stay so until as many as were meant have come. */
    public synchronized void clear() {
        nextAnswers.clear();
        everyAnswer = Optional.empty();
        dice = Optional.empty();
        rateLimit = GITHUBS_RATE_LIMIT;
        webhooksToDrop = 0;
        webhookCopies = 1;
        webhookDelay = Duration.ZERO;
        webhooksToReorder = 0;
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

    synchronized int requestsPerHour() {
        return rateLimit;
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
