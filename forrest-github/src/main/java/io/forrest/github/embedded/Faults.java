package io.forrest.github.embedded;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.Function;

/** How the embedded GitHub misbehaves. Thread-safe; all settings hold until they are changed. */
public final class Faults {
    private static final int GITHUBS_RATE_LIMIT = 5000;

    private final Deque<Fault> nextAnswers = new ArrayDeque<>();
    private Optional<Fault> everyAnswer = Optional.empty();
    private Optional<Random> dice = Optional.empty();
    private double rate;
    private Function<Random, Fault> byChance = any -> Fault.status(500);
    private int rateLimit = GITHUBS_RATE_LIMIT;
    private int webhooksToDrop;
    private int webhookCopies = 1;
    private Duration webhookDelay = Duration.ZERO;
    private int webhooksToReorder;
    private Optional<Random> webhookDice = Optional.empty();
    private double webhookRate;

    /** What a REST request meets. Without a status the connection ends in place of an answer. */
    public static final class Fault {
        private final OptionalInt status;
        private final Optional<Duration> retryAfter;
        private final boolean carriedOut;
        private final boolean half;
        private final Duration silence;

        private Fault(
                OptionalInt status, Optional<Duration> retryAfter, boolean carriedOut, boolean half, Duration silence) {
            this.status = status;
            this.retryAfter = retryAfter;
            this.carriedOut = carriedOut;
            this.half = half;
            this.silence = silence;
        }

        private static Fault withoutStatus(boolean carriedOut, boolean half, Duration silence) {
            return new Fault(OptionalInt.empty(), Optional.empty(), carriedOut, half, silence);
        }

        /** An error instead of the answer; the request is not carried out. 403 and 429 speak of a secondary rate limit. */
        public static Fault status(int status) {
            return new Fault(OptionalInt.of(status), Optional.empty(), false, false, Duration.ZERO);
        }

        /** As {@link #status(int)}, with a {@code Retry-After} in whole seconds. */
        public static Fault status(int status, Duration retryAfter) {
            return new Fault(OptionalInt.of(status), Optional.of(retryAfter), false, false, Duration.ZERO);
        }

        /** An error instead of the answer, though the request was carried out. */
        public static Fault statusThoughDone(int status) {
            return new Fault(OptionalInt.of(status), Optional.empty(), true, false, Duration.ZERO);
        }

        /** The connection ends before the request is carried out. */
        public static Fault cut() {
            return withoutStatus(false, false, Duration.ZERO);
        }

        /** The connection ends without an answer, though the request was carried out. */
        public static Fault cutThoughDone() {
            return withoutStatus(true, false, Duration.ZERO);
        }

        /** The connection ends in the middle of the answer; the request was carried out. */
        public static Fault half() {
            return withoutStatus(true, true, Duration.ZERO);
        }

        /** Nothing comes for so long, then the connection ends; the request is not carried out. */
        public static Fault silent(Duration silence) {
            return withoutStatus(false, false, silence);
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

        boolean isHalf() {
            return half;
        }

        Duration silence() {
            return silence;
        }
    }

    /** What becomes of a webhook. */
    enum WebhookFault {
        NONE,
        DROPPED,
        DOUBLED,
        /** It comes after the next one. */
        OVERTAKEN,
        /** It is followed by a copy with another signature. */
        FORGED_COPY
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
        byChance = any -> fault;
    }

    /**
     * This share of the REST requests, from 0 to 1, fails in all ways there are, each as often: unanswered, 500, 502, cut
     * though it was carried out, half an answer, silence of two seconds, or a secondary rate limit of one to three
     * seconds. Repeatable by seed. Replaces {@link #failSometimes}, as that replaces this.
     */
    public synchronized void randomly(double share, long seed) {
        rate = share;
        dice = Optional.of(new Random(seed));
        byChance = Faults::any;
    }

    private static Fault any(Random random) {
        return switch (random.nextInt(7)) {
            case 0 -> Fault.cut();
            case 1 -> Fault.status(500);
            case 2 -> Fault.status(502);
            case 3 -> Fault.cutThoughDone();
            case 4 -> Fault.half();
            case 5 -> Fault.silent(Duration.ofSeconds(2));
            default -> Fault.status(403, Duration.ofSeconds(1L + random.nextInt(3)));
        };
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

    /**
     * This share of the webhooks, from 0 to 1, is dropped, doubled, overtaken by the next one, or followed by a copy with a
     * wrong signature, each as often. Repeatable by seed.
     */
    public synchronized void webhooksRandomly(double share, long seed) {
        webhookRate = share;
        webhookDice = Optional.of(new Random(seed));
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
        webhookDice = Optional.empty();
    }

    synchronized Optional<Fault> forRequest() {
        if (!nextAnswers.isEmpty()) {
            return Optional.of(nextAnswers.remove());
        }
        if (everyAnswer.isPresent()) {
            return everyAnswer;
        }
        return dice.filter(random -> random.nextDouble() < rate).map(byChance);
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

    synchronized WebhookFault forWebhook() {
        WebhookFault[] all = WebhookFault.values();
        return webhookDice
                .filter(random -> random.nextDouble() < webhookRate)
                .map(random -> all[1 + random.nextInt(all.length - 1)])
                .orElse(WebhookFault.NONE);
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
