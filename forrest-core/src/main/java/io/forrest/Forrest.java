package io.forrest;

import io.forrest.artifacts.Artifacts;
import io.forrest.config.ConfigSource;
import io.forrest.domain.HostProblem;
import io.forrest.fleet.Fleet;
import io.forrest.fleet.FleetBooks;
import io.forrest.fleet.FleetEvent;
import io.forrest.fleet.FleetThread;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.spi.GuestVolumes;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.ImageStore;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.RunnerBroker;
import io.forrest.work.Housekeeper;
import io.forrest.work.MachineRuns;
import io.forrest.work.MachineTypeCheck;
import io.forrest.work.Recovery;
import io.forrest.work.Workshop;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs machines for queued jobs on this host. Made with {@link #builder}, started once, closed once. Thread-safe.
 *
 * <p>It owns the hypervisor, the job sources and the runner archives that it is given, and closes them.
 */
public final class Forrest implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Forrest.class);
    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(20);

    private final ConfigSource config;
    private final ImageStore images;
    private final Hypervisor hypervisor;
    private final List<JobSource> sources;
    private final Optional<RunnerArchives> runnerArchives;
    private final Path baseDirectory;
    private final FleetThread fleetThread;
    private final MachineRuns runs;
    private final Artifacts artifacts;
    private final Recovery recovery;
    private final Housekeeper housekeeper;
    private final Fleet fleet;
    private final List<Audience> audiences;

    // Guarded by this.
    private Stage stage = Stage.NEW;
    private Optional<BaseDirectoryLock> lock = Optional.empty();

    /** A listener and the thread it is told on: one that is slow must not keep the others waiting. */
    private record Audience(ForrestListener listener, ExecutorService thread) {
        Audience(ForrestListener listener) {
            this(listener, Executors.newSingleThreadExecutor(work -> daemon(work, "listener")));
        }

        void tell(MachineSnapshot snapshot) {
            thread.execute(() -> {
                try {
                    listener.machineChanged(snapshot);
                } catch (RuntimeException | Error e) {
                    LOG.error("A listener failed, and is told of what comes next all the same.", e);
                }
            });
        }
    }

    private enum Stage {
        NEW,
        RUNNING,
        CLOSED
    }

    private Forrest(Builder builder) {
        this.config = builder.config;
        this.images = required(builder.images, "imageStore");
        this.hypervisor = required(builder.hypervisor, "hypervisor");
        this.sources = List.copyOf(builder.sources);
        this.runnerArchives = builder.runnerArchives;
        // Where things lie is read once: it cannot change below machines that run.
        this.baseDirectory = config.current().host().baseDirectory();
        this.fleetThread = new FleetThread(builder.timings);
        Workshop workshop = new Workshop(
                baseDirectory,
                images,
                required(builder.volumes, "guestVolumes"),
                hypervisor,
                required(builder.runners, "runnerBroker"),
                runnerArchives,
                builder.clock,
                fleetThread::post);
        this.runs = new MachineRuns(workshop, config, () -> eachSource("look again", JobSource::refresh));
        this.artifacts = new Artifacts(runs::uploaders);
        this.recovery = new Recovery(workshop, config, runs);
        this.housekeeper =
                new Housekeeper(baseDirectory, config, images, builder.clock, runs::machines, runs::imagesInUse);
        this.audiences = builder.listeners.stream().map(Audience::new).toList();
        this.fleet = new Fleet(config, runs, builder.timings, builder.clock, this::tell);
    }

    private void tell(MachineSnapshot machine) {
        audiences.forEach(audience -> audience.tell(machine));
        if (machine.outcome()
                .filter(outcome -> outcome.disk() == MachineOutcome.Disk.PROMOTED)
                .isPresent()) {
            // One generation more than are to be kept.
            housekeeper.nudge();
        }
    }

    private static <T> T required(Optional<T> part, String name) {
        return part.orElseThrow(() -> new IllegalStateException("Forrest needs its " + name + "."));
    }

    private static Thread daemon(Runnable work, String name) {
        Thread thread = new Thread(work, "forrest-" + name);
        thread.setDaemon(true);
        return thread;
    }

    /** Begins with the parts that every Forrest needs. */
    public static Builder builder(ConfigSource config) {
        return new Builder(config);
    }

    /** What keeps any machine from running on this host. May block for seconds. */
    public List<HostProblem> checkHost() {
        List<HostProblem> problems = new ArrayList<>(images.checkHost());
        problems.addAll(hypervisor.checkHost());
        return problems;
    }

    /** What keeps single machine types from running: their templates, base images and devices. */
    public List<HostProblem> checkMachineTypes() {
        return MachineTypeCheck.check(config.current(), images, hypervisor);
    }

    /**
     * Takes the base directory, goes on with what an earlier Forrest left, and begins to take jobs. Blocks for as long as
     * the checks take.
     *
     * @throws HostCheckException if no machine could run here; it can then only be closed
     */
    public synchronized void start() throws HostCheckException {
        if (stage != Stage.NEW) {
            throw new IllegalStateException("Forrest can be started once.");
        }
        lock = Optional.of(BaseDirectoryLock.take(baseDirectory));
        List<HostProblem> problems = checkHost();
        if (!problems.isEmpty()) {
            throw new HostCheckException(problems);
        }
        checkMachineTypes().forEach(problem -> LOG.warn("{}", problem));
        recovery.recover().forEach(fleet::adopt);
        housekeeper.start();
        runnerArchives.ifPresent(RunnerArchives::start);
        stage = Stage.RUNNING;
        fleetThread.start(fleet);
        daemon(recovery::removeRunners, "recovery").start();
        eachSource("start", source -> source.start(jobSink()));
    }

    /** Where job sources that are not given to the builder leave what they see. Usable once started. */
    public JobSink jobSink() {
        return observation -> fleetThread.post(new FleetEvent.JobObserved(observation));
    }

    /** All machines that are not gone, oldest first. Answered once it is started; with an exception once it is closed. */
    public CompletableFuture<List<MachineSnapshot>> machines() {
        return fleetThread.ask(Fleet::machines);
    }

    /** Takes what machines upload, from its start to its end; {@link #close} closes it. */
    public Artifacts artifacts() {
        return artifacts;
    }

    /** What machines have claimed of this host. Answered as {@link #machines} is. */
    public CompletableFuture<FleetBooks> books() {
        return fleetThread.ask(Fleet::books);
    }

    /**
     * Takes no new jobs from now on; the machines that have one run to their end. Completes when no machine is left; with an
     * exception if it is closed before, or not started.
     */
    public CompletableFuture<Void> drain() {
        return fleetThread.drainMachines();
    }

    /**
     * Takes no more jobs, ends all machines, removes their runners and disks, and returns when that is done, or after
     * 20 seconds. Only {@link #close} can follow.
     */
    public synchronized void endMachines() {
        if (stage != Stage.RUNNING) {
            return;
        }
        eachSource("close", JobSource::close);
        closeRunnerArchives();
        try {
            fleetThread.endMachines().get(LONGEST_CLOSE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warn("Not all machines were gone after {}: the next start goes on with them.", LONGEST_CLOSE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Takes no more jobs and lets go of everything. VMs that run go on, and the next Forrest on this base directory goes on
     * with them; with a hypervisor that cannot do that, all machines are ended. Machines that have no VM yet are ended, and
     * promotions completed, within 20 seconds; what takes longer is left to the next Forrest. A second call does nothing.
     */
    @Override
    public synchronized void close() {
        artifacts.close();
        closeRunnerArchives();
        if (stage == Stage.RUNNING) {
            if (hypervisor.capabilities().contains(HypervisorCapability.ADOPTION)) {
                letGo();
            } else {
                endMachines();
            }
        }
        if (stage != Stage.CLOSED) {
            stage = Stage.CLOSED;
            runs.close();
            housekeeper.close();
            fleetThread.close();
            audiences.forEach(audience -> audience.thread().shutdown());
            closeHypervisor();
            lock.ifPresent(BaseDirectoryLock::close);
        }
    }

    private void letGo() {
        eachSource("close", JobSource::close);
        // Nobody decides anything any more; what happens meanwhile is learned by the next Forrest.
        fleetThread.close();
        try {
            int left = runs.letGo(LONGEST_CLOSE);
            if (left > 0) {
                LOG.info("{} machines go on without this Forrest; the next one on {} finds them.", left, baseDirectory);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Starts that wait for a runner go on at once. */
    private void closeRunnerArchives() {
        try {
            runnerArchives.ifPresent(RunnerArchives::close);
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the runner archives could not be closed.", e);
        }
    }

    private void closeHypervisor() {
        try {
            hypervisor.close();
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the hypervisor could not be closed.", e);
        }
    }

    /** With a bug in one source, jobs still come from the others. */
    private void eachSource(String what, Consumer<JobSource> action) {
        for (JobSource source : sources) {
            try {
                action.accept(source);
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: the job source {} could not {}.", source.name(), what, e);
            }
        }
    }

    /** Collects the parts. Not thread-safe. */
    public static final class Builder {
        private final ConfigSource config;
        private Optional<ImageStore> images = Optional.empty();
        private Optional<GuestVolumes> volumes = Optional.empty();
        private Optional<Hypervisor> hypervisor = Optional.empty();
        private Optional<RunnerBroker> runners = Optional.empty();
        private Optional<RunnerArchives> runnerArchives = Optional.empty();
        private final List<JobSource> sources = new ArrayList<>();
        private final List<ForrestListener> listeners = new ArrayList<>();
        private FleetTimings timings = FleetTimings.DEFAULT;
        private Clock clock = Clock.systemUTC();

        private Builder(ConfigSource config) {
            this.config = Objects.requireNonNull(config);
        }

        public Builder imageStore(ImageStore value) {
            images = Optional.of(value);
            return this;
        }

        public Builder guestVolumes(GuestVolumes value) {
            volumes = Optional.of(value);
            return this;
        }

        public Builder hypervisor(Hypervisor value) {
            hypervisor = Optional.of(value);
            return this;
        }

        public Builder runnerBroker(RunnerBroker value) {
            runners = Optional.of(value);
            return this;
        }

        /** Without, machine types with {@code runner: auto} are like those without it. */
        public Builder runnerArchives(RunnerArchives value) {
            runnerArchives = Optional.of(value);
            return this;
        }

        /** May be called for several. */
        public Builder jobSource(JobSource value) {
            sources.add(Objects.requireNonNull(value));
            return this;
        }

        /** May be called for several. */
        public Builder listener(ForrestListener value) {
            listeners.add(Objects.requireNonNull(value));
            return this;
        }

        public Builder timings(FleetTimings value) {
            timings = Objects.requireNonNull(value);
            return this;
        }

        public Builder clock(Clock value) {
            clock = Objects.requireNonNull(value);
            return this;
        }

        /** Throws {@link IllegalStateException} if a part is missing. */
        public Forrest build() {
            return new Forrest(this);
        }
    }
}
