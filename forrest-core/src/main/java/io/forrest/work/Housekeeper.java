package io.forrest.work;

import io.forrest.config.ConfigSource;
import io.forrest.config.HostConfig;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps what running machines leave on the disk from piling up, as {@code host.retention} says: has the image store tidy
 * up, removes the run directories of machines that ended long ago, and caps the logs of those that run.
 *
 * <p>Logs are capped on a thread of their own: tidying images may take minutes, and a guest can write a lot in minutes.
 */
public final class Housekeeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Housekeeper.class);

    private static final Duration BETWEEN_ROUNDS = Duration.ofHours(1);
    private static final Duration BETWEEN_SPACE_LOOKS = Duration.ofSeconds(30);
    private static final Duration BETWEEN_LOG_CAPS = Duration.ofSeconds(5);
    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(5);

    private final Path baseDirectory;
    private final ConfigSource config;
    private final ImageStore images;
    private final Clock clock;
    private final Supplier<Set<MachineId>> alive;
    private final Supplier<Set<DiskOrigin>> inUse;
    private final Duration betweenSpaceLooks;
    private final StandingTroubles troubles;
    private final StandingTroubles logTroubles;

    private final Semaphore nudges = new Semaphore(0);
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread rounds = daemon(this::makeRoundsUntilClosed, "forrest-housekeeper");
    private final Thread logs = daemon(this::capLogsUntilClosed, "forrest-log-cap");

    /**
     * Does nothing yet. Both suppliers are called from its threads, and may block.
     *
     * @param alive all machines that are not gone; of others, run directories may go
     * @param inUse what their disks were made of
     */
    public Housekeeper(
            Path baseDirectory,
            ConfigSource config,
            ImageStore images,
            Clock clock,
            Supplier<Set<MachineId>> alive,
            Supplier<Set<DiskOrigin>> inUse) {
        this(baseDirectory, config, images, clock, alive, inUse, LOG::warn, BETWEEN_SPACE_LOOKS);
    }

    /** Tells the caller of the troubles that it would log. */
    Housekeeper(
            Path baseDirectory,
            ConfigSource config,
            ImageStore images,
            Clock clock,
            Supplier<Set<MachineId>> alive,
            Supplier<Set<DiskOrigin>> inUse,
            Consumer<String> complaints,
            Duration betweenSpaceLooks) {
        this.baseDirectory = baseDirectory;
        this.config = config;
        this.images = images;
        this.clock = clock;
        this.alive = alive;
        this.inUse = inUse;
        this.betweenSpaceLooks = betweenSpaceLooks;
        this.troubles = new StandingTroubles(complaints);
        this.logTroubles = new StandingTroubles(complaints);
    }

    private static Thread daemon(Runnable work, String name) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Makes a round at once and then every hour, or soon when disk space is short, and caps logs every few seconds. To be called once, when all machines that
     * are not gone are known.
     */
    public void start() {
        rounds.start();
        logs.start();
    }

    /** Has the next round made at once: there is a new machine image. From any thread; never blocks. */
    public void nudge() {
        nudges.release();
    }

    private void makeRoundsUntilClosed() {
        try {
            while (!isClosed()) {
                makeRound(clock.instant());
                awaitNextRound();
            }
        } catch (InterruptedException e) {
            // Closed.
        }
    }

    private void awaitNextRound() throws InterruptedException {
        long deadlineNanos = System.nanoTime() + BETWEEN_ROUNDS.toNanos();
        do {
            if (nudges.tryAcquire(betweenSpaceLooks.toMillis(), TimeUnit.MILLISECONDS)) {
                // One round serves all who asked for it before it began.
                nudges.drainPermits();
                return;
            }
        } while (System.nanoTime() < deadlineNanos && !lacksSpace());
    }

    /** Machines, or promotions, wait for it. */
    private boolean lacksSpace() {
        try {
            return images.freeSpace().compareTo(config.current().host().diskReserve()) < 0;
        } catch (PluginException | RuntimeException | Error e) {
            // Who starts machines by it says so.
            return false;
        }
    }

    private void capLogsUntilClosed() {
        try {
            do {
                capLogs();
            } while (!closed.await(BETWEEN_LOG_CAPS.toMillis(), TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            LOG.warn("Logs of machines are not capped any more: the thread that did was interrupted.");
        }
    }

    private boolean isClosed() {
        return closed.getCount() == 0;
    }

    /** Tidies images and looks through the run directories. Never throws. */
    void makeRound(Instant now) {
        guarded("old run directories are not removed", troubles, () -> removeOldRuns(now));
        guarded("the image store is not tidied", troubles, this::tidyImages);
        troubles.endRound();
    }

    private void tidyImages() {
        HostConfig host = config.current().host();
        try {
            images.tidy(
                    new Retention(
                            host.retention().generations(), host.retention().generationAge(), host.diskReserve()),
                    inUse.get());
        } catch (PluginException e) {
            if (!isClosed()) {
                troubles.say("The image store could not tidy up, and tries again every hour: " + e.getMessage());
            }
        }
    }

    private void removeOldRuns(Instant now) {
        List<RunDirectory> all = RunDirectory.all(
                baseDirectory,
                (directory, failure) ->
                        troubles.say("What is in " + directory + " cannot be looked at, and stays: " + failure));
        Set<MachineId> living = alive.get();
        Instant oldest = now.minus(config.current().host().retention().runs());
        int removed = 0;
        for (RunDirectory run : all) {
            if (!living.contains(run.machine())) {
                try {
                    removed += settle(run, oldest) ? 1 : 0;
                } catch (IOException e) {
                    if (!isClosed()) {
                        troubles.say("The old run directory " + run.path() + " stays: " + e);
                    }
                }
            }
        }
        if (removed > 0) {
            LOG.info("Removed {} directories of machines that ended before {} (host.retention.runs).", removed, oldest);
        }
    }

    /** Returns whether it is gone. */
    private boolean settle(RunDirectory run, Instant oldest) throws IOException {
        if (run.isBehindLink(baseDirectory)) {
            return false;
        }
        Instant lastChanged = run.lastChanged();
        if (run.hasVolumes() || !lastChanged.isBefore(oldest)) {
            // It may have run while no Forrest did; or go on, if it could not be taken over.
            capLogs(run, troubles);
            return false;
        }
        if (run.hasRescuedDisk()) {
            troubles.say(run.rescuedDisk() + " was rescued by " + lastChanged
                    + " and still takes up space: put it where it is needed, or remove it.");
            return false;
        }
        run.remove();
        return true;
    }

    /** Begins the logs of living machines anew that have grown too large. Never throws. */
    void capLogs() {
        guarded("logs of machines are not capped", logTroubles, () -> {
            for (MachineId machine : alive.get()) {
                RunDirectory run = RunDirectory.of(baseDirectory, machine);
                try {
                    capLogs(run, logTroubles);
                } catch (IOException e) {
                    logTroubles.say("The logs in " + run.path() + " cannot be capped: " + e);
                }
            }
        });
        logTroubles.endRound();
    }

    private void capLogs(RunDirectory run, StandingTroubles said) throws IOException {
        DataSize most = config.current().host().retention().logSize();
        for (Path log : run.logs()) {
            try {
                LogCap.apply(log, most);
            } catch (IOException e) {
                said.say("What " + log + " had before it was to begin anew cannot be kept: " + e);
            }
        }
    }

    private void guarded(String consequence, StandingTroubles said, Runnable work) {
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            if (!isClosed() && said.isNew(consequence + ": " + e)) {
                LOG.error("A bug in Forrest or a plugin: {} for now.", consequence, e);
            }
        }
    }

    /** Ends both threads; interrupts the tidying of images, and waits for it a little. A second call does nothing. */
    @Override
    public void close() {
        closed.countDown();
        rounds.interrupt();
        long deadline = System.nanoTime() + LONGEST_CLOSE.toNanos();
        try {
            for (Thread thread : List.of(rounds, logs)) {
                TimeUnit.NANOSECONDS.timedJoin(thread, Math.max(1, deadline - System.nanoTime()));
                if (thread.isAlive()) {
                    LOG.warn("{} did not end within {}; it is left to itself.", thread.getName(), LONGEST_CLOSE);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
