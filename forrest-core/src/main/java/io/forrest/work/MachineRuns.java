package io.forrest.work;

import io.forrest.artifacts.Uploader;
import io.forrest.config.ConfigSource;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.AdoptedMachine;
import io.forrest.fleet.FleetEvent;
import io.forrest.fleet.FleetHands;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.Vm;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All machines' runs, on bounded pools.
 *
 * <p>Launches have threads of their own, so that slow ends (a promotion that syncs gigabytes) cannot hold up new
 * machines; and so have the forge's calls, so that its outage cannot hold up either.
 */
public final class MachineRuns implements FleetHands, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MachineRuns.class);
    private static final int LAUNCH_THREADS = 16;
    private static final int FINISH_THREADS = 8;
    private static final int FORGE_THREADS = 4;
    private static final Duration LOOK_AGAIN = Duration.ofMillis(50);
    private static final Duration LONGEST_LAST_CALLS = Duration.ofSeconds(5);

    private final Workshop workshop;
    private final ConfigSource config;
    private final Runnable refreshJobs;
    private final Map<MachineId, MachineRun> runs = new ConcurrentHashMap<>();
    private final Set<RepositoryId> beingSighted = ConcurrentHashMap.newKeySet();

    /** Where the last look failed. */
    private final Set<RepositoryId> unsighted = ConcurrentHashMap.newKeySet();

    private final MacPool macs;
    private final ExecutorService launchers = pool("forrest-launch-", LAUNCH_THREADS);
    private final ExecutorService finishers = pool("forrest-finish-", FINISH_THREADS);
    private final ExecutorService forge = pool("forrest-forge-", FORGE_THREADS);
    private final ExecutorService refresher = pool("forrest-refresh-", 1);
    private final ExecutorService measurer = pool("forrest-space-", 1);
    private final AtomicBoolean refreshAsked = new AtomicBoolean();
    private final AtomicBoolean spaceAsked = new AtomicBoolean();

    /** {@code refreshJobs} has the job sources look again. */
    public MachineRuns(Workshop workshop, ConfigSource config, Runnable refreshJobs) {
        this.workshop = workshop;
        this.config = config;
        this.refreshJobs = refreshJobs;
        SecureRandom random = new SecureRandom();
        this.macs = new MacPool(() -> MacAddress.fromRandom(random.nextLong()));
    }

    private static ExecutorService pool(String prefix, int threads) {
        AtomicInteger count = new AtomicInteger();
        ThreadFactory factory = work -> {
            Thread thread = new Thread(work, prefix + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
        return Executors.newFixedThreadPool(threads, factory);
    }

    @Override
    public void launch(MachineId machine, MachineType type) {
        Optional<RepositoryConfig> repository = Optional.ofNullable(
                config.current().repositories().get(type.id().repository()));
        MachineRun run = add(MachineRecord.launching(
                machine,
                type,
                repository.flatMap(RepositoryConfig::persistenceToken),
                workshop.clock().instant()));
        submit(launchers, run::launch);
    }

    private MachineRun add(MachineRecord machine) {
        MachineRun run = new MachineRun(
                workshop,
                machine,
                macs,
                work -> submit(finishers, work),
                work -> submit(forge, work),
                () -> remove(machine.machine()));
        runs.put(machine.machine(), run);
        return run;
    }

    private void remove(MachineId machine) {
        runs.remove(machine);
        synchronized (runs) {
            runs.notifyAll();
        }
    }

    /** Goes on with a machine of an earlier Forrest, whose VM this is. */
    AdoptedMachine resume(MachineRecord machine, Vm vm) {
        MachineRun run = add(machine);
        run.resume(vm);
        return run.adopted();
    }

    /** Goes on with a machine of an earlier Forrest of which only its disk's promotion is left. */
    AdoptedMachine resumePromotion(MachineRecord machine) {
        MachineRun run = add(machine);
        run.resumePromotion();
        return run.adopted();
    }

    /** The machines that have files of their own on this host. */
    public Set<MachineId> machines() {
        return Set.copyOf(runs.keySet());
    }

    /** The machines that may upload artifacts now. */
    public List<Uploader> uploaders() {
        return runs.values().stream().flatMap(run -> run.uploader().stream()).toList();
    }

    /** What their disks were made of. */
    public Set<DiskOrigin> imagesInUse() {
        return runs.values().stream()
                .flatMap(run -> run.record().origin().stream())
                .collect(Collectors.toUnmodifiableSet());
    }

    @Override
    public void end(MachineId machine, String reason) {
        Optional.ofNullable(runs.get(machine)).ifPresent(run -> run.end(reason));
    }

    @Override
    public void withdrawRunner(MachineId machine) {
        submit(forge, () -> {
            try {
                workshop.events().accept(new FleetEvent.RunnerWithdrawn(machine, withdraw(machine)));
            } catch (PluginException e) {
                workshop.events().accept(new FleetEvent.WithdrawalFailed(machine, e.getMessage()));
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: the runner of {} could not be withdrawn.", machine, e);
                workshop.events()
                        .accept(new FleetEvent.WithdrawalFailed(machine, "a bug in Forrest or a plugin: " + e));
            }
        });
    }

    private RunnerBroker.Removal withdraw(MachineId machine) throws PluginException {
        RepositoryId repository = machine.type().repository();
        OptionalLong known =
                Optional.ofNullable(runs.get(machine)).map(MachineRun::runnerId).orElse(OptionalLong.empty());
        if (known.isPresent()) {
            return workshop.runners().remove(repository, known.getAsLong());
        }
        // Its number is lost with its record.
        for (RunnerSighting runner : workshop.runners().list(repository)) {
            if (runner.name().equals(machine.runnerName())) {
                return workshop.runners().remove(repository, runner.runnerId());
            }
        }
        return RunnerBroker.Removal.ALREADY_GONE;
    }

    @Override
    public void noteJob(MachineId machine, JobObservation job) {
        submit(finishers, () -> Optional.ofNullable(runs.get(machine)).ifPresent(run -> run.noteJob(job)));
    }

    @Override
    public void imageCameUp(DiskOrigin origin) {
        submit(finishers, () -> {
            try {
                workshop.images().cameUp(origin);
            } catch (PluginException e) {
                LOG.warn("That {} is good could not be noted: {}", origin.image(), e.getMessage());
            }
        });
    }

    @Override
    public void setImageAside(DiskOrigin origin, String reason) {
        submit(finishers, () -> {
            try {
                workshop.images()
                        .setAside(origin, reason)
                        .ifPresent(next -> LOG.warn(
                                "{} is set aside ({}): disks are made of {} now.", origin.image(), reason, next));
            } catch (PluginException e) {
                LOG.error(
                        "{} could not be set aside, so machines go on starting from it: {}",
                        origin.image(),
                        e.getMessage());
            }
        });
    }

    @Override
    public void reinstateImage(DiskOrigin origin, String reason) {
        submit(finishers, () -> {
            try {
                if (workshop.images().reinstate(origin)) {
                    LOG.warn("{} is the machine image again: {}.", origin.image(), reason);
                }
            } catch (PluginException e) {
                LOG.error("{} could not be made the machine image again: {}", origin.image(), e.getMessage());
            }
        });
    }

    @Override
    public void measureSpace() {
        // Not behind disks that are synced; and one look at a time is enough.
        if (spaceAsked.compareAndSet(false, true)) {
            submit(measurer, () -> {
                spaceAsked.set(false);
                measure();
            });
        }
    }

    private void measure() {
        try {
            workshop.events()
                    .accept(new FleetEvent.SpaceMeasured(workshop.images().freeSpace()));
        } catch (PluginException e) {
            LOG.warn("How much disk space is free cannot be told: {}", e.getMessage());
        }
    }

    @Override
    public void sightRunners(Set<RepositoryId> repositories) {
        for (RepositoryId repository : repositories) {
            // With a slow forge, one question at a time and repository is enough.
            if (beingSighted.add(repository)) {
                submit(forge, () -> sight(repository));
            }
        }
    }

    private void sight(RepositoryId repository) {
        try {
            workshop.events()
                    .accept(new FleetEvent.RunnersSighted(
                            repository, workshop.runners().list(repository)));
            unsighted.remove(repository);
        } catch (PluginException e) {
            // In an outage it is one line and not one a minute.
            if (unsighted.add(repository)) {
                LOG.warn(
                        "The runners of {} cannot be looked at, which is tried again and again: {}",
                        repository,
                        e.getMessage());
            }
        } finally {
            beingSighted.remove(repository);
        }
    }

    @Override
    public void removeOrphan(RepositoryId repository, long runnerId, String name) {
        submit(forge, () -> {
            try {
                workshop.runners().remove(repository, runnerId);
            } catch (PluginException e) {
                LOG.warn("The orphan runner {} of {} stays until the next sweep: {}", name, repository, e.getMessage());
            }
        });
    }

    @Override
    public void refreshJobs() {
        // Sources return at once; one that does not must not hold up the fleet.
        if (refreshAsked.compareAndSet(false, true)) {
            submit(refresher, () -> {
                refreshAsked.set(false);
                refreshJobs.run();
            });
        }
    }

    private static void submit(ExecutorService pool, Runnable work) {
        try {
            pool.execute(() -> {
                try {
                    work.run();
                } catch (RuntimeException | Error e) {
                    LOG.error("A bug in Forrest or a plugin.", e);
                }
            });
        } catch (RejectedExecutionException e) {
            LOG.debug("Closed; not done any more.", e);
        }
    }

    /**
     * Leaves machines whose VM runs as they are, for the next Forrest to go on with; ends those that have none yet, and
     * finishes those whose VM has ended, for as long as {@code atMost}. No machine may be launched any more.
     *
     * @return how many go on without this Forrest
     */
    public int letGo(Duration atMost) throws InterruptedException {
        for (MachineRun run : runs.values()) {
            if (!run.outlivesThisProcess()) {
                run.end("Forrest is closing");
            }
        }
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        synchronized (runs) {
            while (runs.values().stream().anyMatch(run -> !run.outlivesThisProcess())) {
                long leftNanos = deadlineNanos - System.nanoTime();
                if (leftNanos <= 0) {
                    LOG.warn("Not all could be finished within {}: the next start goes on with it.", atMost);
                    break;
                }
                // Nobody tells of a VM that just came up, so it is looked at now and then.
                TimeUnit.NANOSECONDS.timedWait(runs, Math.min(leftNanos, LOOK_AGAIN.toNanos()));
            }
        }
        return runs.size();
    }

    /**
     * Waits a little for runners that are being removed, and interrupts whatever else goes on, but for what is done with
     * disks: half a promotion is worse than a late one. To be called after {@link #letGo}, or when the machines are gone.
     */
    @Override
    public void close() {
        launchers.shutdownNow();
        refresher.shutdownNow();
        measurer.shutdownNow();
        finishers.shutdown();
        try {
            if (!finishers.awaitTermination(LONGEST_LAST_CALLS.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.info("A disk takes long: it is finished in the background, or by the next start.");
            }
            forge.shutdown();
            if (!forge.awaitTermination(LONGEST_LAST_CALLS.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.info("The forge takes long to answer: the next start removes what runners are left.");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        forge.shutdownNow();
    }
}
