package io.forrest.work;

import io.forrest.artifacts.UploadLedger;
import io.forrest.artifacts.Uploader;
import io.forrest.config.MachineType;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import io.forrest.failpoint.FailPoint;
import io.forrest.files.AtomicFiles;
import io.forrest.fleet.AdoptedMachine;
import io.forrest.fleet.FleetEvent;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one life of a machine: disk, runner, volumes, VM; and when that is gone, promotion or removal.
 *
 * <p>The disk comes first, because making it is cheap, local and fails most clearly: a runner is registered only for a
 * machine that has something to run on. {@link #end} may come at any time from another thread.
 *
 * <p>Each step is written down before the next one is taken, so that after the end of this process, however it came,
 * {@link Recovery} and {@link #resume} go on from there. Steps that may be taken twice are harmless the second time.
 */
final class MachineRun {
    private static final Logger LOG = LoggerFactory.getLogger(MachineRun.class);
    private static final SecureRandom RANDOM = new SecureRandom();

    /** A full disk is not emptied within a second, and nobody wants to wait much longer than needed. */
    private static final Duration PROMOTE_AGAIN = Duration.ofSeconds(5);

    /** What guests know the runner's archive by. */
    private static final String RUNNER_DISK = "actions-runner";

    private final Workshop workshop;
    private final MachineId machine;
    private final MachineType type;
    private final MacPool macs;
    private final Executor finishers;
    private final Executor forge;
    private final Runnable onGone;
    private final RunDirectory directory;
    private final RecordFile file;
    private final UploadLedger uploads;

    // Guarded by this.
    private MachineRecord record;
    private Optional<Vm> vm = Optional.empty();
    private Optional<String> endReason = Optional.empty();
    private boolean waitsForSpace;

    /**
     * {@code finishers} runs what comes after the VM's end, {@code forge} what asks the forge then; {@code onGone} is called
     * when nothing of the machine is left on this host.
     */
    MachineRun(
            Workshop workshop,
            MachineRecord record,
            MacPool macs,
            Executor finishers,
            Executor forge,
            Runnable onGone) {
        this.workshop = workshop;
        this.machine = record.machine();
        this.type = record.type();
        this.record = record;
        this.macs = macs;
        this.finishers = finishers;
        this.forge = forge;
        this.onGone = onGone;
        this.directory = RunDirectory.of(workshop.baseDirectory(), machine);
        this.file = new RecordFile(directory);
        this.uploads = new UploadLedger(directory.path());
    }

    /** Brings the machine up to its running VM. Blocks; called once. */
    void launch() {
        try {
            start();
        } catch (PluginException e) {
            abandon(e.kind(), e.getMessage());
        } catch (IOException e) {
            abandon(PluginException.Kind.BROKEN, "the run directory " + directory.path() + " cannot be made: " + e);
        } catch (RuntimeException | Error e) {
            // An Error, too: a plugin that lacks a library must not take the machine's RAM with it.
            LOG.error("A bug: {} could not be launched.", machine, e);
            // If the bug struck after its VM was started, nobody else would stop that.
            stopVm();
            abandon(PluginException.Kind.BROKEN, "a bug in Forrest or a plugin: " + e);
        }
    }

    private void start() throws PluginException, IOException {
        checkNotEnded();
        directory.create();
        file.write(record());
        FailPoint.MACHINE_RECORDED.pass();
        DiskOrigin origin = workshop.images()
                .createDisk(
                        new DiskRequest(type.id(), type.baseMachine(), type.baseImage(), type.useBase(), type.disk()),
                        directory.disk());
        FailPoint.DISK_CREATED.pass();
        tell(new FleetEvent.DiskCreated(machine, origin));
        Optional<RunnerArchive> runner = runnerFromHost();
        checkNotEnded();

        RunnerRegistration registration = workshop.runners().register(machine);
        FailPoint.RUNNER_REGISTERED.pass();
        Secret runToken = newRunToken();
        write(record().withRunner(origin, registration.runnerId(), runToken));
        tell(new FleetEvent.RunnerRegistered(machine, registration.runnerId()));
        checkNotEnded();

        GuestFiles files = GuestFiles.render(type, machine, registration.jitConfig(), runToken, runner);
        workshop.volumes().write(directory.cloudInit(), "CIDATA", files.cloudInit());
        workshop.volumes().write(directory.jobConfig(), "JOBDATA", files.jobConfig());
        FailPoint.VOLUMES_WRITTEN.pass();
        checkNotEnded();

        boolean tpm = workshop.images().createTpmState(type.id(), directory.tpmState());
        if (!type.networkInterfaces().isEmpty()) {
            write(record().withMacs(macs.lend(type.networkInterfaces().size())));
        }
        Vm started = workshop.hypervisor().start(spec(tpm, runner));
        FailPoint.VM_STARTED.pass();
        Instant now = workshop.clock().instant();
        adopt(started, now);
        FailPoint.VM_RECORDED.pass();
        tell(new FleetEvent.VmStarted(machine, now, started.processId()));
        started.exit().whenCompleteAsync(this::onExit, finishers);
    }

    /** Which runner the guest gets from this host. Its lack fails no start: the image, or the template, may have one. */
    private Optional<RunnerArchive> runnerFromHost() {
        if (!type.getsRunnerFromHost()) {
            return Optional.empty();
        }
        try {
            return workshop.runnerArchives().flatMap(RunnerArchives::newest);
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: {} starts without a runner from this host.", machine, e);
            return Optional.empty();
        }
    }

    /** From here on it has a VM, which is stopped if the machine's end was asked for meanwhile. */
    private synchronized void adopt(Vm running, Instant startedAt) {
        vm = Optional.of(running);
        try {
            write(record.started(startedAt));
        } catch (IOException e) {
            // Its VM is found by the next Forrest all the same.
            LOG.warn("That the VM of {} was started could not be written down: {}", machine, e.toString());
        }
        if (endReason.isPresent()) {
            stopVm();
        }
    }

    /**
     * Goes on with a machine of an earlier Forrest: waits for the end of its VM, which may have come already. Returns at
     * once; called once, in place of {@link #launch}.
     */
    void resume(Vm found) {
        macs.takeOver(record().macs());
        adopt(found, record().vmStartedAt().orElseGet(workshop.clock()::instant));
        found.exit().whenCompleteAsync(this::onExit, finishers);
    }

    /** Goes on with a promotion that an earlier Forrest had begun. Returns at once; called once, in place of {@link #launch}. */
    void resumePromotion() {
        finishers.execute(() -> {
            tell(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
            promote();
        });
    }

    synchronized MachineRecord record() {
        return record;
    }

    /** What the fleet needs to know of a machine that was not launched by it. */
    AdoptedMachine adopted() {
        MachineRecord now = record();
        return new AdoptedMachine(
                machine,
                type,
                now.requestedAt(),
                now.vmStartedAt().orElse(now.requestedAt()),
                currentVm().map(Vm::processId).orElse(OptionalLong.empty()),
                now.origin(),
                now.job());
    }

    private synchronized Optional<Vm> currentVm() {
        return vm;
    }

    /**
     * Whether the next Forrest goes on with it as it is: its VM runs and is not being ended, or its promotion has to wait for
     * disk space.
     */
    synchronized boolean outlivesThisProcess() {
        boolean runs = vm.isPresent()
                && endReason.isEmpty()
                && record.stage() == MachineRecord.Stage.STARTED
                && !vm.get().exit().toCompletableFuture().isDone();
        return runs || waitsForSpace;
    }

    /** Its right to upload artifacts, for as long as its VM lives. */
    synchronized Optional<Uploader> uploader() {
        return record.runToken()
                .filter(token -> hasLivingVm())
                .map(token -> new Uploader(machine, type.artifacts(), token, uploads, this::hasLivingVm));
    }

    private synchronized boolean hasLivingVm() {
        return vm.isPresent() && !vm.get().exit().toCompletableFuture().isDone();
    }

    private synchronized void write(MachineRecord next) throws IOException {
        record = next;
        file.write(next);
    }

    /** Which job it has, for its image's history and for the next Forrest. */
    synchronized void noteJob(JobObservation job) {
        boolean news = record.job()
                .filter(known ->
                        !known.job().equals(job.job()) || known.status().compareTo(job.status()) < 0)
                .isPresent();
        if ((news || record.job().isEmpty()) && record.stage() != MachineRecord.Stage.OVER) {
            FailPoint.JOB_SEEN.pass();
            try {
                write(record.withJob(job));
            } catch (IOException e) {
                LOG.warn("The job of {} could not be written down: {}", machine, e.toString());
            }
            FailPoint.JOB_RECORDED.pass();
        }
    }

    private VmSpec spec(boolean tpm, Optional<RunnerArchive> runner) {
        List<MacAddress> lentMacs = record().macs();
        List<VmSpec.NetworkInterface> interfaces = new ArrayList<>();
        for (int i = 0; i < lentMacs.size(); i++) {
            interfaces.add(
                    new VmSpec.NetworkInterface(type.networkInterfaces().get(i).path(), lentMacs.get(i)));
        }
        Set<HypervisorCapability> capabilities = workshop.hypervisor().capabilities();
        boolean shell = capabilities.contains(HypervisorCapability.SHELL_SOCKET);
        boolean moreDisks = capabilities.contains(HypervisorCapability.READ_ONLY_DISKS);
        return new VmSpec(
                machine,
                directory.path(),
                type.cpus(),
                type.ram(),
                List.of(directory.disk(), directory.cloudInit(), directory.jobConfig()),
                runner.flatMap(RunnerArchive::file).filter(archive -> moreDisks).stream()
                        .map(archive -> new VmSpec.ReadOnlyDisk(RUNNER_DISK, archive))
                        .toList(),
                directory.log(),
                shell ? Optional.of(directory.shellSocket()) : Optional.empty(),
                interfaces,
                type.shared().stream()
                        .map(shared -> new VmSpec.SharedDirectory(shared.path(), shared.tag(), shared.writable()))
                        .toList(),
                tpm ? Optional.of(directory.tpmState()) : Optional.empty());
    }

    private static Secret newRunToken() {
        byte[] token = new byte[32];
        RANDOM.nextBytes(token);
        return Secret.of(HexFormat.of().formatHex(token));
    }

    private synchronized void checkNotEnded() throws PluginException {
        if (endReason.isPresent()) {
            throw new PluginException(PluginException.Kind.RETRY_LATER, endReason.get());
        }
    }

    /** Ends the machine at once, wherever it stands. Never blocks; a second call does nothing. */
    synchronized void end(String reason) {
        if (endReason.isEmpty()) {
            endReason = Optional.of(reason);
            stopVm();
        }
    }

    /** The number of its runner, once that is registered. */
    OptionalLong runnerId() {
        return record().runnerId();
    }

    /** Does nothing if there is none yet. */
    private synchronized void stopVm() {
        try {
            vm.ifPresent(running -> running.stop(Duration.ZERO));
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the VM of {} is not known to have stopped.", machine, e);
        }
    }

    private void abandon(PluginException.Kind kind, String reason) {
        settled(new MachineOutcome(MachineOutcome.Disk.NONE, reason));
        tell(new FleetEvent.LaunchFailed(machine, kind, reason));
        removeRunner();
        onGone.run();
    }

    private void onExit(VmExit exit, Throwable bug) {
        FailPoint.VM_ENDED.pass();
        VmExit how = exit != null ? exit : new VmExit(VmExit.Kind.FAILED, "a bug in the hypervisor: " + bug);
        tell(new FleetEvent.VmExited(machine, how));
        Optional<String> discard;
        try {
            discard = reasonToDiscard(how);
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the disk of {} was not looked at, and is thrown away.", machine, e);
            discard = Optional.of("a bug in Forrest or a plugin: " + e);
        }
        if (discard.isPresent()) {
            finish(new MachineOutcome(MachineOutcome.Disk.DISCARDED, discard.get()));
            return;
        }
        try {
            // What the guest wrote may be in the host's memory only. Once the record says so, the disk is promoted even
            // if
            // the host crashes in between.
            AtomicFiles.sync(directory.disk());
            synchronized (this) {
                record = record.promoting(workshop.clock().instant());
                file.writeDurably(record);
            }
            FailPoint.PROMOTION_RECORDED.pass();
        } catch (IOException e) {
            LOG.warn("That the disk of {} is to be promoted could not be written down: {}", machine, e.toString());
        }
        promote();
    }

    /** Why the disk is not to be promoted; empty if it is. */
    private Optional<String> reasonToDiscard(VmExit exit) {
        if (exit.kind() != VmExit.Kind.CLEAN) {
            synchronized (this) {
                return endReason.or(() -> Optional.of("its VM did not shut down in order: " + exit.reason()));
            }
        }
        try {
            PersistRequest request =
                    PersistRequest.read(workshop.volumes(), directory.jobConfig(), record().persistenceToken());
            if (request == PersistRequest.WRONG_TOKEN) {
                LOG.warn("{} left a wrong persistence token: its disk is thrown away.", machine);
            }
            return request == PersistRequest.GRANTED ? Optional.empty() : Optional.of(request.reason());
        } catch (PluginException e) {
            return Optional.of("its JOBDATA volume cannot be read: " + e.getMessage());
        }
    }

    private void promote() {
        MachineRecord now = record();
        try {
            workshop.images()
                    .promote(
                            type.id(),
                            directory.disk(),
                            new Provenance(
                                    machine,
                                    now.job(),
                                    now.origin(),
                                    now.endedAt().orElseGet(workshop.clock()::instant)));
            FailPoint.PROMOTED.pass();
            finish(new MachineOutcome(MachineOutcome.Disk.PROMOTED, PersistRequest.GRANTED.reason()));
        } catch (PluginException e) {
            if (e.kind() == PluginException.Kind.RETRY_LATER) {
                if (beginsToWaitForSpace()) {
                    LOG.warn(
                            "The disk of {} cannot be promoted yet, and is kept until it can: {}",
                            machine,
                            e.getMessage());
                }
                CompletableFuture.delayedExecutor(PROMOTE_AGAIN.toMillis(), TimeUnit.MILLISECONDS, finishers)
                        .execute(this::promote);
            } else {
                finish(rescued(e.getMessage()));
            }
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the disk of {} could not be promoted.", machine, e);
            finish(rescued("there is a bug in Forrest or a plugin: " + e));
        }
    }

    private synchronized boolean beginsToWaitForSpace() {
        boolean news = !waitsForSpace;
        waitsForSpace = true;
        return news;
    }

    /** The job was told that its disk persists, so a failure of ours must not cost the disk. */
    private MachineOutcome rescued(String failure) {
        String reason = "it should have become the machine image, but " + failure;
        try {
            Files.move(directory.disk(), directory.rescuedDisk(), StandardCopyOption.ATOMIC_MOVE);
            LOG.error(
                    "The disk of {} could not be promoted and is kept as {}: {}",
                    machine,
                    directory.rescuedDisk(),
                    failure);
            return new MachineOutcome(MachineOutcome.Disk.RESCUED, reason);
        } catch (IOException e) {
            LOG.error("The disk of {} could neither be promoted nor kept: {}; {}", machine, failure, e.toString());
            return new MachineOutcome(MachineOutcome.Disk.DISCARDED, reason);
        }
    }

    private void finish(MachineOutcome outcome) {
        settled(outcome);
        tell(new FleetEvent.MachineGone(machine, outcome));
        removeRunner();
        onGone.run();
    }

    /** Writes the end down and removes what only the running machine needed. */
    private void settled(MachineOutcome outcome) {
        List<MacAddress> lentMacs = record().macs();
        try {
            write(record().over(outcome, workshop.clock().instant()));
        } catch (IOException e) {
            LOG.warn("The end of {} could not be written down: {}", machine, e.toString());
        }
        FailPoint.OUTCOME_RECORDED.pass();
        try {
            directory.removeVolumes();
        } catch (IOException e) {
            LOG.warn("{} is left in {} until Forrest starts again: {}", machine, directory.path(), e.toString());
        }
        FailPoint.VOLUMES_REMOVED.pass();
        macs.giveBack(lentMacs);
    }

    /** Not before the books are closed: while the forge cannot be asked, others need the RAM, and the image. */
    private void removeRunner() {
        OptionalLong registered = runnerId();
        if (registered.isEmpty()) {
            return;
        }
        forge.execute(() -> {
            try {
                tell(new FleetEvent.RunnerWithdrawn(
                        machine, workshop.runners().remove(machine.type().repository(), registered.getAsLong())));
            } catch (PluginException e) {
                LOG.info("The runner of {} is left to the sweep: {}", machine, e.getMessage());
                tell(new FleetEvent.WithdrawalFailed(machine, e.getMessage()));
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: the runner of {} is left to the sweep.", machine, e);
            }
        });
    }

    private void tell(FleetEvent event) {
        workshop.events().accept(event);
    }
}
