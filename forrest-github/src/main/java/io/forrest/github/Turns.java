package io.forrest.github;

import io.forrest.spi.PluginException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
import org.kohsuke.github.GHException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has things at GitHub looked at again and again: a few at a time, and who has waited longest first. What could not be looked
 * at has its turn again later and later, but never later than the others, and when GitHub answers again after an outage.
 * Nothing is looked at twice at the same time.
 *
 * <p>Thread-safe. One thread decides, and others look.
 *
 * @param <K> what is looked at
 */
final class Turns<K> implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Turns.class);
    private static final Duration FIRST_RETRY = Duration.ofSeconds(10);

    /** A burst of wishes for a fresh look costs one look. */
    private static final Duration REFRESH_DELAY = Duration.ofSeconds(2);

    /** With GitHub coming and going, no more looks than this are taken because it came. */
    private static final Duration BETWEEN_WAKINGS = Duration.ofMinutes(1);

    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(5);

    private final Subject<K> subject;
    private final Duration interval;
    private final RandomGenerator random;
    private final ScheduledExecutorService thread;
    private final ExecutorService lookers;
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private volatile boolean closed;

    // Only on the deciding thread.
    private final Map<K, Turn> turns = new HashMap<>();
    private Optional<Future<?>> next = Optional.empty();
    private long lastWakingNanos = System.nanoTime() - BETWEEN_WAKINGS.toNanos();

    /** What there is to look at, and how. */
    interface Subject<K> {
        /** All that is to be looked at now. */
        Set<K> all();

        /** Takes a look; blocks. */
        void look(K one) throws IOException, PluginException;

        /** For logs, after "Could not look for". */
        String name(K one);

        /** For how long it makes no sense to try again. */
        Duration pause(K one);

        /** Whether the log tells of this failure already. */
        boolean isKnown(Exception failure);

        /** Nothing is looked at any more for now: what was seen can be written down. On the deciding thread. */
        void rest();
    }

    /** Since when and how one thing is looked at. */
    private static final class Turn {
        private final BackOff backOff;

        /** What the last look failed with. */
        private Optional<String> trouble = Optional.empty();

        private long dueNanos = System.nanoTime();
        private boolean isUnderWay;
        private boolean isWantedAgain;

        /** Those who wait for the end of the look that is under way, and of the one after it. */
        private List<CompletableFuture<Void>> waiting = new ArrayList<>();

        private List<CompletableFuture<Void>> waitingForNext = new ArrayList<>();

        Turn(BackOff backOff) {
            this.backOff = backOff;
        }

        void want(long nowNanos) {
            dueNanos = dueNanos - nowNanos > 0 ? nowNanos : dueNanos;
            isWantedAgain = isUnderWay;
        }

        void begin() {
            isUnderWay = true;
            isWantedAgain = false;
            waiting = waitingForNext;
            waitingForNext = new ArrayList<>();
        }

        void end(long nextNanos) {
            isUnderWay = false;
            dueNanos = isWantedAgain ? System.nanoTime() : nextNanos;
        }

        void tellWaiting() {
            waiting.forEach(waiter -> waiter.complete(null));
        }

        void giveUp() {
            tellWaiting();
            waitingForNext.forEach(waiter -> waiter.complete(null));
        }
    }

    /**
     * @param threads the name of the deciding thread; those that look have "-look" behind it
     * @param random spreads retries
     */
    Turns(String threads, int atOnce, Subject<K> subject, Duration interval, RandomGenerator random) {
        this.subject = subject;
        this.interval = interval;
        this.random = random;
        this.thread = Executors.newSingleThreadScheduledExecutor(work -> daemon(work, threads));
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                atOnce,
                atOnce,
                1,
                TimeUnit.MINUTES,
                new LinkedBlockingQueue<>(),
                work -> daemon(work, threads + "-look"));
        pool.allowCoreThreadTimeOut(true);
        this.lookers = pool;
    }

    private static Thread daemon(Runnable work, String name) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /** Begins after {@code delay}. */
    void start(Duration delay) {
        submit(this::begin, delay);
    }

    /** Has everything looked at soon rather than when it is due. */
    void soon() {
        if (refreshing.compareAndSet(false, true)) {
            submit(
                    () -> {
                        refreshing.set(false);
                        wantAll();
                    },
                    REFRESH_DELAY);
        }
    }

    /** Has everything looked at at once; complete once all has been. Never completes after {@link #close}. */
    CompletableFuture<Void> now() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        submit(
                () -> {
                    refreshTurns();
                    List<CompletableFuture<Void>> ends = new ArrayList<>();
                    turns.values().forEach(turn -> {
                        CompletableFuture<Void> end = new CompletableFuture<>();
                        turn.waitingForNext.add(end);
                        ends.add(end);
                    });
                    wantAll();
                    Future<?> unused = CompletableFuture.allOf(ends.toArray(CompletableFuture<?>[]::new))
                            .thenRun(() -> done.complete(null));
                },
                Duration.ZERO);
        return done;
    }

    /** GitHub is back: nobody waits for the next retry. From any thread. */
    void wake() {
        submit(
                () -> {
                    long now = System.nanoTime();
                    boolean troubled = turns.values().stream().anyMatch(turn -> turn.trouble.isPresent());
                    if (troubled && now - lastWakingNanos >= BETWEEN_WAKINGS.toNanos()) {
                        lastWakingNanos = now;
                        soon();
                    }
                },
                Duration.ZERO);
    }

    /** Ends looks that are under way, and waits for that for some seconds: afterwards nothing more is written. */
    @Override
    public void close() {
        closed = true;
        thread.shutdownNow();
        lookers.shutdownNow();
        long deadlineNanos = System.nanoTime() + LONGEST_CLOSE.toNanos();
        try {
            for (ExecutorService each : List.of(thread, lookers)) {
                if (!each.awaitTermination(deadlineNanos - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                    LOG.warn("A look at GitHub did not end within {}; it is left to itself.", LONGEST_CLOSE);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Optional<Future<?>> submit(Runnable work, Duration delay) {
        try {
            return Optional.of(thread.schedule(work, delay.toNanos(), TimeUnit.NANOSECONDS));
        } catch (RejectedExecutionException e) {
            LOG.debug("Closed meanwhile.", e);
            return Optional.empty();
        }
    }

    private void wantAll() {
        long now = System.nanoTime();
        turns.values().forEach(turn -> turn.want(now));
        begin();
    }

    private void refreshTurns() {
        Set<K> all = subject.all();
        turns.entrySet().removeIf(entry -> {
            boolean gone = !all.contains(entry.getKey());
            if (gone) {
                entry.getValue().giveUp();
            }
            return gone;
        });
        all.forEach(one ->
                turns.computeIfAbsent(one, any -> new Turn(new BackOff(FIRST_RETRY, interval.dividedBy(2), random))));
    }

    /** Begins all looks that are due, and plans when to do so again. */
    private void begin() {
        next.ifPresent(planned -> planned.cancel(false));
        long now = System.nanoTime();
        try {
            refreshTurns();
            turns.entrySet().stream()
                    .filter(entry -> !entry.getValue().isUnderWay && now - entry.getValue().dueNanos >= 0)
                    .sorted(Comparator.comparingLong(entry -> entry.getValue().dueNanos - now))
                    .toList()
                    .forEach(entry -> begin(entry.getKey(), entry.getValue()));
        } catch (RuntimeException | Error e) {
            // The schedule would end with it, without a word.
            LOG.error("Looking at GitHub failed; it goes on in {}.", interval, e);
        }
        long waitNanos = turns.values().stream()
                .filter(turn -> !turn.isUnderWay)
                .mapToLong(turn -> Math.max(0, turn.dueNanos - now))
                .min()
                .orElse(interval.toNanos());
        // There may be others by then.
        next = submit(this::begin, Duration.ofNanos(Math.min(waitNanos, interval.toNanos())));
    }

    private void begin(K one, Turn turn) {
        turn.begin();
        try {
            lookers.execute(() -> {
                Optional<Throwable> failure = look(one);
                submit(() -> end(one, turn, failure), Duration.ZERO);
            });
        } catch (RejectedExecutionException e) {
            LOG.debug("Closed meanwhile.", e);
        }
    }

    /** Whatever goes wrong here does not keep others from their turn. */
    private Optional<Throwable> look(K one) {
        try {
            if (!closed) {
                subject.look(one);
            }
            return Optional.empty();
        } catch (IOException | PluginException | RuntimeException | Error e) {
            return Optional.of(e);
        }
    }

    private void end(K one, Turn turn, Optional<Throwable> failure) {
        Duration wait = interval;
        if (failure.isEmpty()) {
            turn.backOff.reset();
            if (turn.trouble.isPresent()) {
                turn.trouble = Optional.empty();
                LOG.info("Can look for {} again.", subject.name(one));
            }
        } else if (failure.get() instanceof IOException
                || failure.get() instanceof GHException
                || failure.get() instanceof PluginException) {
            wait = min(interval, max(turn.backOff.next(), pause(one)));
            tellOf(one, turn, (Exception) failure.get());
        } else {
            LOG.error("A bug: could not look for {}; tried again in {}.", subject.name(one), interval, failure.get());
        }
        turn.end(System.nanoTime() + wait.toNanos());
        try {
            if (turns.values().stream().noneMatch(other -> other.isUnderWay)) {
                subject.rest();
            }
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: what was seen of GitHub could not be written down.", e);
        }
        turn.tellWaiting();
        begin();
    }

    /** With jitter, so that not everybody who was sent away until then comes at once. */
    private Duration pause(K one) {
        Duration pause = subject.pause(one);
        return pause.isZero() ? pause : pause.plus(BackOff.jittered(FIRST_RETRY, random));
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    private static Duration max(Duration a, Duration b) {
        return a.compareTo(b) > 0 ? a : b;
    }

    /** The same trouble is told of once, and not at all if the log tells of it already. */
    private void tellOf(K one, Turn turn, Exception e) {
        String reason = reason(e);
        if (subject.isKnown(e)) {
            LOG.debug("Could not look for {}. {}", subject.name(one), reason);
        } else if (!turn.trouble.equals(Optional.of(reason))) {
            LOG.warn("Could not look for {}. {} It is tried again later and later.", subject.name(one), reason);
        }
        turn.trouble = Optional.of(reason);
    }

    /** The library wraps what our connector throws, sometimes twice; what it found itself has a message of its own. */
    private static String reason(Exception e) {
        Throwable cause = e;
        while (!(cause instanceof PluginException) && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage()).replaceAll("\\s+", " ");
    }
}
