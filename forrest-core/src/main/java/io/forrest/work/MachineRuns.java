package io.forrest.work;

import io.forrest.config.ConfigSource;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.FleetEvent;
import io.forrest.fleet.FleetHands;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerRegistration;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
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

    private final Workshop workshop;
    private final ConfigSource config;
    private final Runnable refreshJobs;
    private final Map<MachineId, MachineRun> runs = new ConcurrentHashMap<>();
    private final Set<RepositoryId> beingSighted = ConcurrentHashMap.newKeySet();
    private final MacPool macs;
    private final ExecutorService launchers = pool("forrest-launch-", LAUNCH_THREADS);
    private final ExecutorService finishers = pool("forrest-finish-", FINISH_THREADS);
    private final ExecutorService forge = pool("forrest-forge-", FORGE_THREADS);
    private final ExecutorService refresher = pool("forrest-refresh-", 1);
    private final AtomicBoolean refreshAsked = new AtomicBoolean();

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
        MachineRun run = new MachineRun(
                workshop,
                machine,
                type,
                repository.flatMap(RepositoryConfig::persistenceToken),
                macs,
                finishers,
                () -> runs.remove(machine));
        runs.put(machine, run);
        submit(launchers, run::launch);
    }

    @Override
    public void end(MachineId machine, String reason) {
        Optional.ofNullable(runs.get(machine)).ifPresent(run -> run.end(reason));
    }

    @Override
    public void withdrawRunner(MachineId machine) {
        submit(forge, () -> {
            Optional<RunnerRegistration> runner =
                    Optional.ofNullable(runs.get(machine)).flatMap(MachineRun::runner);
            if (runner.isEmpty()) {
                workshop.events().accept(new FleetEvent.WithdrawalFailed(machine, "it has none"));
                return;
            }
            try {
                workshop.events()
                        .accept(new FleetEvent.RunnerWithdrawn(
                                machine,
                                workshop.runners()
                                        .remove(
                                                machine.type().repository(),
                                                runner.get().runnerId())));
            } catch (PluginException e) {
                workshop.events().accept(new FleetEvent.WithdrawalFailed(machine, e.getMessage()));
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: the runner of {} could not be withdrawn.", machine, e);
                workshop.events()
                        .accept(new FleetEvent.WithdrawalFailed(machine, "a bug in Forrest or a plugin: " + e));
            }
        });
    }

    @Override
    public void noteJob(MachineId machine, JobObservation job) {}

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
        submit(finishers, () -> {
            try {
                workshop.events()
                        .accept(new FleetEvent.SpaceMeasured(workshop.images().freeSpace()));
            } catch (PluginException e) {
                LOG.warn("How much disk space is free cannot be told: {}", e.getMessage());
            }
        });
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
        } catch (PluginException e) {
            LOG.warn(
                    "The runners of {} could not be looked at, so this sweep skips them: {}",
                    repository,
                    e.getMessage());
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

    /** Interrupts whatever still goes on. To be called when the machines are gone, or when waiting took too long. */
    @Override
    public void close() {
        for (ExecutorService pool : List.of(launchers, finishers, forge, refresher)) {
            pool.shutdownNow();
        }
    }
}
