package io.forrest.fleet;

import io.forrest.config.ConfigSource;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.jobs.JobBoard;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.VmExit;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The books of all machines, and the rules by which they move.
 *
 * <p>A state machine without threads: whoever owns it calls {@link #accept} for each event, {@link #plan} when it has
 * become quiet, and {@link #tick} now and then, all from one thread.
 */
public final class Fleet {
    private static final Logger LOG = LoggerFactory.getLogger(Fleet.class);

    private final ConfigSource config;
    private final FleetHands hands;
    private final FleetTimings timings;
    private final Clock clock;
    private final Consumer<MachineSnapshot> listener;
    private final DoubleSupplier random;

    private final JobBoard board = new JobBoard();
    private final Map<MachineId, Machine> machines = new LinkedHashMap<>();
    private final Map<MachineTypeId, Planner.BackOff> backOffs = new HashMap<>();
    private final Map<Orphan, Instant> orphansSince = new HashMap<>();
    private final ImageBlame blame;
    private final Map<MachineId, Suspicion> suspicions = new HashMap<>();

    /** What the forge says when their runners are removed tells whether they had a job. */
    private final Map<MachineId, DiskOrigin> goneWithoutComingUp = new HashMap<>();

    private final Set<JobId> complainedAbout = new HashSet<>();
    private Instant nextSweep;
    private Instant nextSighting;
    private Instant nextMeasurement;
    private Optional<DataSize> freeDisk = Optional.empty();
    private Mode mode = Mode.TAKING_JOBS;
    private final List<Runnable> whenEmpty = new ArrayList<>();

    private record Orphan(RepositoryId repository, long runnerId) {}

    /** Nothing is known of a job that the machine had, but news of one may still come until {@code until}. */
    private record Suspicion(DiskOrigin image, Instant until) {}

    private enum Mode {
        TAKING_JOBS,
        /** Whoever has a job goes on, all others end. */
        DRAINING,
        /** All end at once. */
        ENDING
    }

    /** {@code listener} is told of every change, on the fleet thread: it must return at once. */
    public Fleet(
            ConfigSource config,
            FleetHands hands,
            FleetTimings timings,
            Clock clock,
            Consumer<MachineSnapshot> listener) {
        this(config, hands, timings, clock, listener, () -> ThreadLocalRandom.current()
                .nextDouble());
    }

    /** {@code random}, from 0 to below 1, spreads what would otherwise be tried again at one time. */
    Fleet(
            ConfigSource config,
            FleetHands hands,
            FleetTimings timings,
            Clock clock,
            Consumer<MachineSnapshot> listener,
            DoubleSupplier random) {
        this.config = config;
        this.hands = hands;
        this.timings = timings;
        this.clock = clock;
        this.listener = listener;
        this.random = random;
        this.blame = new ImageBlame(hands);
        this.nextSweep = clock.instant();
        this.nextSighting = nextSweep;
        this.nextMeasurement = nextSweep;
    }

    /** All machines that are not gone, oldest first. */
    public List<MachineSnapshot> machines() {
        return machines.values().stream().map(Machine::snapshot).toList();
    }

    /** What the machines have of the host. */
    public FleetBooks books() {
        List<MachineSnapshot> all = machines();
        DataSize reserve = config.current().host().diskReserve();
        return new FleetBooks(Planner.claimedRam(all), Planner.claimedDisk(all, reserve), freeDisk, all);
    }

    /**
     * Goes on with a machine that an earlier Forrest started. To be called before anything else is; if its VM has ended
     * meanwhile, the usual event tells so afterwards.
     */
    public void adopt(AdoptedMachine adopted) {
        Machine machine = Machine.adopted(adopted, clock.instant());
        machines.put(machine.id(), machine);
        LOG.info("{} is {}: its VM was started by an earlier Forrest.", machine.id(), machine.state());
        tell(machine);
        adopted.job().ifPresent(job -> {
            board.observe(job);
            hasJob(machine, job);
        });
    }

    /** Takes note of an event. Facts about machines that are gone, or that come late, change nothing. */
    public void accept(FleetEvent event) {
        if (event instanceof FleetEvent.JobObserved observed) {
            onJob(observed.observation());
        } else if (event instanceof FleetEvent.DiskCreated created) {
            find(created.machine()).ifPresent(machine -> machine.clonedFrom(created.origin()));
        } else if (event instanceof FleetEvent.RunnerRegistered registered) {
            find(registered.machine())
                    .filter(machine -> machine.state() == MachineState.REGISTERING)
                    .ifPresent(machine -> move(machine, MachineState.REGISTERED, "its runner is registered"));
        } else if (event instanceof FleetEvent.VmStarted started) {
            onVmStarted(started);
        } else if (event instanceof FleetEvent.LaunchFailed failed) {
            onLaunchFailed(failed);
        } else if (event instanceof FleetEvent.VmExited exited) {
            onVmExited(exited);
        } else if (event instanceof FleetEvent.MachineGone gone) {
            onGone(gone);
        } else if (event instanceof FleetEvent.RunnerWithdrawn withdrawn) {
            onWithdrawn(withdrawn);
        } else if (event instanceof FleetEvent.WithdrawalFailed failed) {
            onWithdrawalFailed(failed);
        } else if (event instanceof FleetEvent.RunnersSighted sighted) {
            onSighted(sighted);
        } else if (event instanceof FleetEvent.SpaceMeasured measured) {
            freeDisk = Optional.of(measured.free());
        }
    }

    // ---- jobs

    private void onJob(JobObservation job) {
        if (!board.observe(job)) {
            return;
        }
        LOG.debug("job {} of {} is {} (by {})", job.job(), job.repository(), job.status(), job.source());
        // Whatever a job was queued for, the runner's name says which machine has it: GitHub gives a job to any idle
        // runner with enough labels.
        job.runnerName().flatMap(name -> byRunnerName(job.repository(), name)).ifPresent(machine -> {
            if (job.status() != JobStatus.QUEUED) {
                sayIfNotItsJob(machine, job);
                hands.noteJob(machine.id(), job);
            }
            hasJob(machine, job);
        });
        job.runnerName().ifPresent(name -> suspicions.entrySet().removeIf(suspect -> {
            MachineId machine = suspect.getKey();
            boolean cleared = machine.runnerName().equals(name)
                    && machine.type().repository().equals(job.repository());
            if (cleared) {
                blame.cameUp(machine.type(), Optional.of(suspect.getValue().image()));
            }
            return cleared;
        }));
    }

    /** Demand follows from the jobs, not from what a machine was started for, so there is nothing to put right. */
    private static void sayIfNotItsJob(Machine machine, JobObservation job) {
        String type = machine.type().id().type();
        Optional<String> wanted = JobLabels.machineType(job.labels());
        if (!machine.hasJob(job.job()) && wanted.filter(type::equalsIgnoreCase).isEmpty()) {
            LOG.warn(
                    "{} was given job {}, which asks for {}. The job it was started for waits on, and gets another machine.",
                    machine.id(),
                    job.job(),
                    wanted.map(other -> "the machine type \"" + other + "\"")
                            .orElse("no machine type, but only for labels that its runner has, too"));
        }
    }

    private void hasJob(Machine machine, JobObservation job) {
        if (job.status() == JobStatus.COMPLETED) {
            machine.jobIsOver();
        }
        if (job.status() != JobStatus.QUEUED) {
            cameUp(machine);
            atWork(machine, Optional.of(job.job()));
        }
    }

    private void cameUp(Machine machine) {
        if (!machine.withdrawing()) {
            machine.startedAfterAll();
        }
        if (!machine.hasComeUp()) {
            machine.cameUp();
            blame.cameUp(machine.type().id(), machine.origin());
        }
    }

    private void atWork(Machine machine, Optional<JobId> job) {
        machine.tookJob(job);
        backOffs.remove(machine.type().id());
        if (machine.state() == MachineState.STARTING || machine.state() == MachineState.WAITING) {
            move(machine, MachineState.RUNNING, job.map(id -> "has job " + id).orElse("has a job"));
        }
        if (machine.state() == MachineState.RUNNING && machine.isJobOver()) {
            machine.awaitPowerOff(clock.instant());
            move(machine, MachineState.STOPPING, "its job is over; the guest shuts down");
        }
    }

    /** The forge says that it has, or had, a job; not which. */
    private void seenAtWork(Machine machine) {
        atWork(machine, Optional.empty());
        if (machine.mustAskForJob()) {
            // Its webhook is lost, or late: until the job is known to be taken it counts as queued, and a machine is
            // started that nobody needs.
            LOG.info("{} has a job, though none is known to have it: looking for it.", machine.id());
            hands.refreshJobs();
        }
    }

    private Map<MachineType, Integer> demand(ForrestConfig current) {
        Map<MachineType, Integer> demand = new LinkedHashMap<>();
        for (JobObservation job : board.queued()) {
            Optional<String> wanted = JobLabels.machineType(job.labels());
            if (wanted.isEmpty()) {
                continue;
            }
            Optional<MachineType> type = Optional.ofNullable(
                            current.repositories().get(job.repository()))
                    .flatMap(repository -> repository.machine(wanted.get()));
            if (type.isPresent()) {
                demand.merge(type.get(), 1, Integer::sum);
            } else if (complainedAbout.add(job.job())) {
                LOG.warn(
                        "Job {} of {} wants the machine type \"{}\", which the configuration does not have: it waits"
                                + " until somebody adds it.",
                        job.job(),
                        job.repository(),
                        wanted.get());
            }
        }
        return demand;
    }

    // ---- planning

    /** Brings the machines in line with demand. Cheap when nothing has changed. */
    public void plan() {
        if (mode == Mode.DRAINING) {
            List.copyOf(machines.values()).stream()
                    .filter(machine -> machine.state().isAvailable())
                    .forEach(this::endSurplus);
        }
        if (mode != Mode.TAKING_JOBS) {
            return;
        }
        ForrestConfig current = config.current();
        dropOutdated(current);
        for (Planner.Decision decision : Planner.demandChanges(situation(current))) {
            if (decision instanceof Planner.Decision.Request request) {
                Machine machine = new Machine(MachineId.random(request.type().id()), request.type(), clock.instant());
                machines.put(machine.id(), machine);
                tell(machine);
            } else if (decision instanceof Planner.Decision.Surplus surplus) {
                endSurplus(machines.get(surplus.machine()));
            }
        }
        for (Planner.Decision decision : Planner.placements(situation(current))) {
            if (decision instanceof Planner.Decision.Start start) {
                Machine machine = machines.get(start.machine());
                move(machine, MachineState.REGISTERING, "makes its disk and registers its runner");
                hands.launch(machine.id(), machine.type());
            } else if (decision instanceof Planner.Decision.Hold hold) {
                Machine machine = machines.get(hold.machine());
                hold(machine, hold);
            }
        }
    }

    private void hold(Machine machine, Planner.Decision.Hold hold) {
        boolean otherLack = !machine.lack().equals(Optional.of(hold.lack()));
        if (machine.hold(hold.lack(), hold.reason())) {
            if (otherLack) {
                LOG.info("{} {}.", machine.id(), hold.reason());
            } else {
                // How much is free may change every second.
                LOG.debug("{} {}.", machine.id(), hold.reason());
            }
            tell(machine);
        }
    }

    /**
     * A machine keeps its recipe, but one that only waits can make way for another of the new recipe. It might wait for
     * ever otherwise: for more RAM than the host has any more, or for a mistake that has been corrected.
     */
    private void dropOutdated(ForrestConfig current) {
        for (Machine machine : List.copyOf(machines.values())) {
            if (machine.state() == MachineState.REQUESTED
                    && current.machineType(machine.type().id())
                            .filter(type -> !type.equals(machine.type()))
                            .isPresent()) {
                drop(machine, "its machine type was changed while it waited");
            }
        }
    }

    /** Of a machine that only waits there is nothing to end. */
    private void drop(Machine machine, String reason) {
        machine.ended(new MachineOutcome(MachineOutcome.Disk.NONE, reason));
        move(machine, MachineState.STOPPED, reason);
        machines.remove(machine.id());
    }

    private Planner.Situation situation(ForrestConfig current) {
        Set<MachineId> withdrawing = machines.values().stream()
                // One whose start took too long stays in the books of its job until that is settled: no other is made
                // of the same image meanwhile.
                .filter(machine -> machine.withdrawing() && !machine.startTimedOut())
                .map(Machine::id)
                .collect(Collectors.toSet());
        Set<MachineId> spared = machines.values().stream()
                .filter(this::isNewlyAdopted)
                .map(Machine::id)
                .collect(Collectors.toSet());
        return new Planner.Situation(
                demand(current),
                machines(),
                withdrawing,
                spared,
                current.host().ram(),
                current.host().diskReserve(),
                freeDisk,
                Map.copyOf(backOffs),
                clock.instant());
    }

    /** It is not known yet what it is wanted for, or what it is at: job sources and the forge were only just asked. */
    private boolean isNewlyAdopted(Machine machine) {
        return machine.adoptedAt()
                .filter(at -> clock.instant().isBefore(at.plus(timings.jobNewsDelay())))
                .isPresent();
    }

    private void endSurplus(Machine machine) {
        switch (machine.state()) {
            case REQUESTED -> drop(machine, surplusReason(machine));
            case REGISTERING -> endUnneeded(machine);
            default -> withdraw(machine);
        }
    }

    /**
     * Its runner may be taking a job this very moment. The forge refuses to remove a busy runner, so whoever's removal
     * succeeds can be ended without harm.
     */
    private void withdraw(Machine machine) {
        if (machine.canWithdraw(clock.instant())) {
            machine.setWithdrawing(true);
            hands.withdrawRunner(machine.id());
        }
    }

    private void onWithdrawn(FleetEvent.RunnerWithdrawn event) {
        Optional<DiskOrigin> image = Optional.ofNullable(goneWithoutComingUp.remove(event.machine()));
        if (event.removal() == RunnerBroker.Removal.REMOVED) {
            image.ifPresent(suspect -> suspicions.put(
                    event.machine(), new Suspicion(suspect, clock.instant().plus(timings.jobNewsDelay()))));
        }
        find(event.machine()).ifPresent(machine -> {
            machine.setWithdrawing(false);
            if (event.removal() == RunnerBroker.Removal.BUSY) {
                cameUp(machine);
                seenAtWork(machine);
            } else if (machine.state() == MachineState.STARTING || machine.state() == MachineState.WAITING) {
                if (event.removal() == RunnerBroker.Removal.ALREADY_GONE) {
                    // A runner goes by itself once it had its job, whose webhooks are late: the guest may be shutting
                    // down, its disk to be kept.
                    machine.jobIsOver();
                    seenAtWork(machine);
                } else if (machine.startTimedOut()) {
                    endLateStarter(machine, true);
                } else {
                    endUnneeded(machine);
                }
            } else if (machine.state() == MachineState.REGISTERED) {
                endUnneeded(machine);
            }
            // Of a machine that works or ends, its own end tells the rest.
        });
    }

    private void endUnneeded(Machine machine) {
        String reason = surplusReason(machine);
        move(machine, MachineState.STOPPING, reason);
        hands.end(machine.id(), reason);
    }

    private String surplusReason(Machine machine) {
        if (mode == Mode.DRAINING) {
            return "Forrest takes no more jobs, and it has none";
        }
        return machine.offlineSince().isPresent() ? "its runner went offline" : "no job wants it any more";
    }

    private void onWithdrawalFailed(FleetEvent.WithdrawalFailed event) {
        goneWithoutComingUp.remove(event.machine());
        find(event.machine()).ifPresent(machine -> {
            int failures = machine.withdrawalFailed();
            // A late start is decided on soon anyway; by then the forge should have been asked often enough.
            Duration wait =
                    timings.withdrawalRetry().after(machine.startTimedOut() ? 1 : failures, random.getAsDouble());
            machine.withdrawAgainAt(clock.instant().plus(wait));
            LOG.warn(
                    "{} {}, but its runner could not be withdrawn, so it goes on; the next try is in {} s: {}",
                    machine.id(),
                    machine.startTimedOut() ? "was not seen to come up" : "is not needed any more",
                    wait.toSeconds(),
                    event.reason());
            if (machine.hasComeUp()) {
                machine.startedAfterAll();
            }
        });
    }

    // ---- a machine's way

    private void onVmStarted(FleetEvent.VmStarted event) {
        find(event.machine()).ifPresent(machine -> {
            machine.vmStarted(event.at(), event.processId());
            if (machine.state() == MachineState.REGISTERED) {
                // Before it is told, so that whoever hears of it can count on it.
                nextSighting = clock.instant().plus(timings.sightingInterval());
                move(machine, MachineState.STARTING, "its guest boots");
            }
            if (machine.sawJob()) {
                atWork(machine, Optional.empty());
            }
        });
    }

    private void onLaunchFailed(FleetEvent.LaunchFailed event) {
        find(event.machine()).ifPresent(machine -> {
            if (machine.state() != MachineState.STOPPING) {
                int failures = failed(machine.type().id(), event.reason());
                if (event.kind() == PluginException.Kind.RETRY_LATER) {
                    LOG.info("{} could not start: {}", machine.id(), event.reason());
                } else {
                    LOG.warn("{} could not start (failure {} in a row): {}", machine.id(), failures, event.reason());
                }
            }
            gone(machine, new MachineOutcome(MachineOutcome.Disk.NONE, event.reason()));
        });
    }

    private void onVmExited(FleetEvent.VmExited event) {
        find(event.machine()).ifPresent(machine -> {
            machine.endAwaitingPowerOff();
            machine.vmEnded(event.exit());
            if (machine.state() != MachineState.STOPPING) {
                // A runner that is being withdrawn may notice, and have its guest power off.
                if (event.exit().kind() == VmExit.Kind.CLEAN && !machine.withdrawing()) {
                    machine.endedByItself();
                }
                move(
                        machine,
                        MachineState.STOPPING,
                        "its VM ended: " + event.exit().reason());
            }
            if (!machine.sawJob()) {
                afterNoJob(machine, event.exit());
            }
        });
    }

    /**
     * A guest that ends without ever having had a job would be started again at once, for the same job, for ever: so the
     * second time in a row has to wait. Unless the job's webhooks were lost, which looking again shows.
     */
    private void afterNoJob(Machine machine, VmExit exit) {
        if (exit.kind() == VmExit.Kind.STOPPED) {
            return;
        }
        failed(machine.type().id(), "the last machine ended (" + exit.reason() + ") without having been seen at work");
        hands.refreshJobs();
    }

    private void onGone(FleetEvent.MachineGone event) {
        find(event.machine()).ifPresent(machine -> gone(machine, event.outcome()));
    }

    private void gone(Machine machine, MachineOutcome outcome) {
        machine.ended(outcome);
        if (outcome.disk() == MachineOutcome.Disk.PROMOTED) {
            // Whoever waited for this image need not wait for a back-off to end.
            backOffs.remove(machine.type().id());
            machines.values().stream()
                    .filter(other -> other.type()
                            .baseMachine()
                            .filter(machine.type().id()::equals)
                            .isPresent())
                    .forEach(other -> backOffs.remove(other.type().id()));
            config.current().repositories().values().stream()
                    .flatMap(repository -> repository.machines().values().stream())
                    .filter(type -> type.baseMachine()
                            .filter(machine.type().id()::equals)
                            .isPresent())
                    .forEach(type -> backOffs.remove(type.id()));
        }
        if (!machine.state().next().contains(MachineState.STOPPED)) {
            // A bug may strike after the VM's start was told: its machine must be let go of all the same.
            move(machine, MachineState.STOPPING, outcome.reason());
        }
        move(machine, MachineState.STOPPED, outcome.reason());
        machines.remove(machine.id());
        if (machine.endedBeforeItCameUp()) {
            machine.origin().ifPresent(image -> goneWithoutComingUp.put(machine.id(), image));
        }
        hands.measureSpace();
        tellWhenEmpty();
    }

    private int failed(MachineTypeId type, String reason) {
        Planner.BackOff before = backOffs.get(type);
        int failures = before == null ? 1 : before.failures() + 1;
        backOffs.put(
                type,
                new Planner.BackOff(
                        clock.instant().plus(timings.startRetry().after(failures, random.getAsDouble())),
                        reason,
                        failures));
        return failures;
    }

    // ---- the forge's view

    private void onSighted(FleetEvent.RunnersSighted event) {
        Instant now = clock.instant();
        Map<String, Machine> ours = new HashMap<>();
        for (Machine machine : machines.values()) {
            if (machine.type().id().repository().equals(event.repository())) {
                ours.put(machine.id().runnerName(), machine);
            }
        }
        Set<Orphan> stillThere = new HashSet<>();
        for (RunnerSighting runner : event.runners()) {
            Machine machine = ours.get(runner.name());
            if (machine != null) {
                if (runner.busy() || runner.online()) {
                    cameUp(machine);
                }
                if (runner.busy()) {
                    seenAtWork(machine);
                } else if (runner.online() && machine.state() == MachineState.STARTING) {
                    move(machine, MachineState.WAITING, "its runner is online and waits for a job");
                } else if (machine.state() == MachineState.STARTING) {
                    machine.seenDown(now);
                } else if (machine.state() == MachineState.WAITING) {
                    onIdle(machine, runner.online(), now);
                }
            } else if (runner.name().startsWith(MachineId.PREFIX) && !runner.online() && !runner.busy()) {
                Orphan orphan = new Orphan(event.repository(), runner.runnerId());
                stillThere.add(orphan);
                Instant since = orphansSince.computeIfAbsent(orphan, unseen -> now);
                if (!now.isBefore(since.plus(timings.orphanAge()))) {
                    LOG.info(
                            "Removing the runner {} of {}: it belongs to no machine.",
                            runner.name(),
                            event.repository());
                    hands.removeOrphan(event.repository(), runner.runnerId(), runner.name());
                }
            }
        }
        orphansSince
                .keySet()
                .removeIf(orphan -> orphan.repository().equals(event.repository()) && !stillThere.contains(orphan));
    }

    /** A guest that hangs before its job came would keep that job waiting, and its RAM, for ever. */
    private void onIdle(Machine machine, boolean online, Instant now) {
        machine.seenIdle(online, now);
        if (machine.offlineSince()
                .filter(since -> !now.isBefore(since.plus(timings.startTimeout())))
                .isPresent()) {
            LOG.warn(
                    "{} waits for a job, but its runner has long been offline: it makes way for another.",
                    machine.id());
            withdraw(machine);
        }
    }

    // ---- time

    /** Does what is due by now: start timeouts, sightings, the sweep. To be called about once a second. */
    public void tick() {
        Instant now = clock.instant();
        for (Machine machine : List.copyOf(machines.values())) {
            if (machine.state() == MachineState.STARTING && !now.isBefore(startDeadline(machine))) {
                onStartTimeout(machine, now);
            } else if (machine.powerOffSince()
                    .filter(since -> !now.isBefore(since.plus(timings.stopTimeout())))
                    .isPresent()) {
                onStopTimeout(machine);
            }
        }
        if (mode == Mode.ENDING) {
            return;
        }
        blameSuspects(now);
        if (!now.isBefore(nextMeasurement)) {
            nextMeasurement = now.plus(timings.spaceInterval());
            hands.measureSpace();
        }
        if (!now.isBefore(nextSweep)) {
            nextSweep = now.plus(timings.sweepInterval());
            nextSighting = now.plus(timings.sightingInterval());
            board.forgetOld(now);
            complainedAbout.retainAll(
                    board.queued().stream().map(JobObservation::job).collect(Collectors.toSet()));
            Set<RepositoryId> repositories =
                    new HashSet<>(config.current().repositories().keySet());
            machines.values()
                    .forEach(machine -> repositories.add(machine.type().id().repository()));
            hands.sightRunners(repositories);
        } else {
            boolean all = !now.isBefore(nextSighting);
            if (all) {
                nextSighting = now.plus(timings.sightingInterval());
            }
            Set<RepositoryId> starting = machines.values().stream()
                    .filter(machine -> machine.state() == MachineState.STARTING)
                    .filter(machine -> all || isLateSoon(machine, now))
                    .map(machine -> machine.type().id().repository())
                    .collect(Collectors.toSet());
            if (!starting.isEmpty()) {
                hands.sightRunners(starting);
            }
        }
    }

    /** Only a recent look shows that it is late; true once. */
    private boolean isLateSoon(Machine machine, Instant now) {
        Duration quarter = timings.startTimeout().dividedBy(4);
        Duration ahead = timings.sightingInterval().compareTo(quarter) < 0 ? timings.sightingInterval() : quarter;
        return !now.isBefore(startDeadline(machine).minus(ahead)) && machine.mustBeLookedFor();
    }

    /**
     * Its runner may be online, and even have a job, unseen while the forge could not be asked: it is withdrawn first. A
     * forge that cannot be asked for as long again does not keep the RAM from others, and says nothing of the image.
     */
    private void onStartTimeout(Machine machine, Instant now) {
        if (!now.isBefore(startDeadline(machine).plus(timings.startTimeout()))) {
            endLateStarter(machine, false);
        } else {
            machine.startTakesTooLong();
            withdraw(machine);
        }
    }

    /** An adopted machine may have come up long ago, which the forge must have had the time to tell again. */
    private Instant startDeadline(Machine machine) {
        Instant deadline = machine.since().plus(timings.startTimeout());
        return machine.adoptedAt()
                .map(at -> at.plus(timings.jobNewsDelay()))
                .filter(deadline::isBefore)
                .orElse(deadline);
    }

    private void endLateStarter(Machine machine, boolean withdrawn) {
        String reason = "its runner did not come online within " + timings.startTimeout();
        LOG.warn("{}: {}. {}.", machine.id(), reason, blameFor(machine, withdrawn));
        failed(machine.type().id(), reason);
        move(machine, MachineState.STOPPING, reason);
        hands.end(machine.id(), reason);
    }

    /** Returns what follows for its image. */
    private String blameFor(Machine machine, boolean withdrawn) {
        Instant recently = clock.instant().minus(timings.sightingInterval().multipliedBy(2));
        boolean seenDown =
                machine.seenDownAt().filter(at -> !at.isBefore(recently)).isPresent();
        if (!withdrawn || !seenDown || machine.hasComeUp()) {
            return "Its image is not blamed: whether its runner was online is not known";
        }
        return machine.origin()
                .map(image -> blame.didNotComeUp(machine.type().id(), image))
                .orElse("What it was made of is not known, so no image is blamed");
    }

    /** Its guest powered off before it was seen to come up, and the forge says that its runner never had a job. */
    private void blameSuspects(Instant now) {
        suspicions.entrySet().removeIf(suspect -> {
            boolean due = !now.isBefore(suspect.getValue().until());
            if (due) {
                MachineId machine = suspect.getKey();
                LOG.warn(
                        "{}: its guest powered off before its runner had a job. {}.",
                        machine,
                        blame.didNotComeUp(machine.type(), suspect.getValue().image()));
            }
            return due;
        });
    }

    /** It would hold its RAM for ever. What a guest leaves that does not shut down in order is not to be trusted. */
    private void onStopTimeout(Machine machine) {
        machine.endAwaitingPowerOff();
        String reason = "its guest did not power off within " + timings.stopTimeout() + " after its job was over";
        LOG.warn("{}: {}. Its VM is ended, and its disk thrown away.", machine.id(), reason);
        hands.end(machine.id(), reason);
    }

    /**
     * Takes no more jobs. Machines that have one go on to their end; the others lose their runners, and whichever could be
     * removed ends. {@code onEmpty} is called when no machine is left. A second call only adds its {@code onEmpty}.
     */
    public void drain(Runnable onEmpty) {
        whenEmpty.add(onEmpty);
        if (mode == Mode.TAKING_JOBS) {
            mode = Mode.DRAINING;
            machines.values().forEach(Machine::withdrawAtOnce);
            plan();
        }
        tellWhenEmpty();
    }

    /** Takes no more jobs and ends all machines at once; {@code onEmpty} is called when none is left. */
    public void endAll(Runnable onEmpty) {
        whenEmpty.add(onEmpty);
        mode = Mode.ENDING;
        for (Machine machine : List.copyOf(machines.values())) {
            if (machine.state() == MachineState.REQUESTED) {
                drop(machine, "Forrest is closing");
            } else {
                if (machine.state() != MachineState.STOPPING) {
                    move(machine, MachineState.STOPPING, "Forrest is closing");
                }
                hands.end(machine.id(), "Forrest is closing");
            }
        }
        tellWhenEmpty();
    }

    private void tellWhenEmpty() {
        if (mode != Mode.TAKING_JOBS && machines.isEmpty()) {
            List<Runnable> told = List.copyOf(whenEmpty);
            whenEmpty.clear();
            told.forEach(Runnable::run);
        }
    }

    // ---- small things

    private Optional<Machine> find(MachineId id) {
        return Optional.ofNullable(machines.get(id));
    }

    private Optional<Machine> byRunnerName(RepositoryId repository, String runnerName) {
        for (Machine machine : machines.values()) {
            if (machine.id().runnerName().equals(runnerName)
                    && machine.type().id().repository().equals(repository)) {
                return Optional.of(machine);
            }
        }
        return Optional.empty();
    }

    private void move(Machine machine, MachineState next, String why) {
        machine.moveTo(next, clock.instant(), why);
        LOG.info("{} is {}: {}.", machine.id(), next, why);
        tell(machine);
    }

    private void tell(Machine machine) {
        listener.accept(machine.snapshot());
    }
}
