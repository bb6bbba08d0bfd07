package io.forrest.fleet;

import io.forrest.domain.JobStatus;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that a {@link Fleet} lives on, and the mailbox before it.
 *
 * <p>After the first news it waits until none came for {@link FleetTimings#quiet}, or {@link FleetTimings#burstQuiet} if
 * several jobs come, though never longer than {@link FleetTimings#longestQuiet}, before it plans: a burst of webhooks is
 * planned as a whole, so that its biggest machine is placed first whichever came first.
 */
public final class FleetThread implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FleetThread.class);
    private static final Duration TICK = Duration.ofSeconds(1);

    /** Jobs that come closer upon each other than this come together. */
    private static final Duration BURST_GAP = Duration.ofMillis(250);

    private final LinkedBlockingQueue<Letter> mailbox = new LinkedBlockingQueue<>();
    private final FleetTimings timings;
    private final Thread thread;
    private Fleet fleet;
    private boolean heardNews;

    /** When the last queued job was heard of, and whether it came soon after the one before. */
    private long lastQueuedNanos = System.nanoTime() - BURST_GAP.toNanos();

    private boolean inBurst;

    private volatile boolean stopped;

    /** What waits for the machines to be gone. */
    private final Queue<CompletableFuture<Void>> farewells = new ConcurrentLinkedQueue<>();

    /** What is in the mailbox: to be opened on the fleet thread, or sent back if that has ended. */
    private record Letter(Runnable open, Runnable sendBack) {}

    public FleetThread(FleetTimings timings) {
        this.timings = timings;
        this.thread = new Thread(this::loop, "forrest-fleet");
    }

    /** Gives it its fleet, whose hands post to this mailbox, and begins. Called once. */
    public void start(Fleet newFleet) {
        this.fleet = newFleet;
        thread.start();
    }

    /** Leaves an event in the mailbox. From any thread; never blocks. After {@link #close} it is dropped. */
    public void post(FleetEvent event) {
        mail(new Letter(
                () -> {
                    heardNews = true;
                    if (event instanceof FleetEvent.JobObserved job
                            && job.observation().status() == JobStatus.QUEUED) {
                        noteQueued(System.nanoTime());
                    }
                    fleet.accept(event);
                },
                () -> {}));
    }

    /** Asks something of the fleet on its thread. After {@link #close} the answer is an exception. */
    public <T> CompletableFuture<T> ask(Function<Fleet, T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        mail(new Letter(
                () -> {
                    try {
                        answer.complete(question.apply(fleet));
                    } catch (RuntimeException | Error e) {
                        answer.completeExceptionally(e);
                    }
                },
                () -> sendBack(answer)));
        return answer;
    }

    /** See {@link Fleet#endAll}; completes when all machines are gone. */
    public CompletableFuture<Void> endMachines() {
        return untilEmpty(Fleet::endAll);
    }

    /** See {@link Fleet#drain}; completes when all machines are gone. */
    public CompletableFuture<Void> drainMachines() {
        return untilEmpty(Fleet::drain);
    }

    /** The machines may be there for long: when this thread is closed before they are gone, the answer is an exception. */
    private CompletableFuture<Void> untilEmpty(BiConsumer<Fleet, Runnable> farewell) {
        CompletableFuture<Void> empty = new CompletableFuture<>();
        farewells.add(empty);
        mail(new Letter(() -> farewell.accept(fleet, () -> empty.complete(null)), () -> sendBack(empty)));
        return empty;
    }

    private static void sendBack(CompletableFuture<?> answer) {
        answer.completeExceptionally(new IllegalStateException("Forrest is closed."));
    }

    private void mail(Letter letter) {
        mailbox.add(letter);
        // Whoever closes sets this first and empties the mailbox then: one of us two sees the letter.
        if (stopped) {
            sendBackAll();
        }
    }

    private void sendBackAll() {
        for (Letter letter = mailbox.poll(); letter != null; letter = mailbox.poll()) {
            letter.sendBack().run();
        }
    }

    private void loop() {
        long longestQuietNanos = timings.longestQuiet().toNanos();
        long lastTickNanos = System.nanoTime() - TICK.toNanos();
        boolean mustPlan = false;
        long firstNewsNanos = 0;
        long lastNewsNanos = 0;
        while (!stopped) {
            try {
                long now = System.nanoTime();
                long quietNanos = quiet().toNanos();
                long waitNanos = lastTickNanos + TICK.toNanos() - now;
                if (mustPlan) {
                    waitNanos = Math.min(
                            waitNanos,
                            Math.min(lastNewsNanos + quietNanos - now, firstNewsNanos + longestQuietNanos - now));
                }
                Letter letter = mailbox.poll(Math.max(0, waitNanos), TimeUnit.NANOSECONDS);
                if (letter != null) {
                    guarded(letter.open());
                }
                now = System.nanoTime();
                if (heardNews) {
                    heardNews = false;
                    lastNewsNanos = now;
                    if (!mustPlan) {
                        mustPlan = true;
                        firstNewsNanos = now;
                    }
                }
                if (mustPlan
                        && (now - lastNewsNanos >= quiet().toNanos() || now - firstNewsNanos >= longestQuietNanos)) {
                    mustPlan = false;
                    inBurst = false;
                    guarded(fleet::plan);
                }
                if (now - lastTickNanos >= TICK.toNanos()) {
                    lastTickNanos = now;
                    guarded(fleet::tick);
                    // Time alone may have ended a back-off, or the file a hold. In the middle of a burst that can wait.
                    if (!mustPlan) {
                        guarded(fleet::plan);
                    }
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private void noteQueued(long nowNanos) {
        inBurst = nowNanos - lastQueuedNanos < BURST_GAP.toNanos();
        lastQueuedNanos = nowNanos;
    }

    private Duration quiet() {
        return inBurst ? timings.burstQuiet() : timings.quiet();
    }

    /** A bug in one event must not stop all that come after it. */
    private static void guarded(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the fleet could not take an event, and goes on without it.", e);
        }
    }

    /** Ends the thread; what is left in the mailbox is sent back. */
    @Override
    public void close() {
        stopped = true;
        thread.interrupt();
        try {
            thread.join(TimeUnit.SECONDS.toMillis(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        sendBackAll();
        farewells.forEach(FleetThread::sendBack);
    }
}
