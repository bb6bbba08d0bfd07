package io.forrest.work;

import io.forrest.config.MachineType;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import io.forrest.fleet.FleetEvent;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one life of a machine: disk, runner, volumes, VM; and when that is gone, promotion or removal.
 *
 * <p>The disk comes first, because making it is cheap, local and fails most clearly: a runner is registered only for a
 * machine that has something to run on. {@link #end} may come at any time from another thread.
 */
final class MachineRun {
    private static final Logger LOG = LoggerFactory.getLogger(MachineRun.class);
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Workshop workshop;
    private final MachineId machine;
    private final MachineType type;
    private final Optional<Secret> persistenceToken;
    private final MacPool macs;
    private final Executor finishers;
    private final Runnable onGone;
    private final RunDirectory directory;
    private List<MacAddress> lentMacs = List.of();

    // Guarded by this.
    private Optional<RunnerRegistration> runner = Optional.empty();
    private Optional<Vm> vm = Optional.empty();
    private Optional<String> endReason = Optional.empty();

    /**
     * {@code finishers} runs what comes after the VM's end; {@code onGone} is called when nothing of the machine is
     * left.
     */
    MachineRun(
            Workshop workshop,
            MachineId machine,
            MachineType type,
            Optional<Secret> persistenceToken,
            MacPool macs,
            Executor finishers,
            Runnable onGone) {
        this.workshop = workshop;
        this.machine = machine;
        this.type = type;
        this.persistenceToken = persistenceToken;
        this.macs = macs;
        this.finishers = finishers;
        this.onGone = onGone;
        this.directory = RunDirectory.of(workshop.baseDirectory(), machine);
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
        Files.createDirectories(directory.path());
        tell(new FleetEvent.DiskCreated(
                machine,
                workshop.images()
                        .createDisk(
                                new DiskRequest(
                                        type.id(), type.baseMachine(), type.baseImage(), type.useBase(), type.disk()),
                                directory.disk())));
        checkNotEnded();

        RunnerRegistration registration = workshop.runners().register(machine);
        synchronized (this) {
            runner = Optional.of(registration);
        }
        tell(new FleetEvent.RunnerRegistered(machine, registration.runnerId()));
        checkNotEnded();

        GuestFiles files = GuestFiles.render(type, machine, registration.jitConfig(), newRunToken());
        workshop.volumes().write(directory.cloudInit(), "CIDATA", files.cloudInit());
        workshop.volumes().write(directory.jobConfig(), "JOBDATA", files.jobConfig());
        checkNotEnded();

        Vm started = workshop.hypervisor().start(spec());
        synchronized (this) {
            vm = Optional.of(started);
            if (endReason.isPresent()) {
                stopVm();
            }
        }
        tell(new FleetEvent.VmStarted(machine, workshop.clock().instant(), started.processId()));
        started.exit().whenCompleteAsync(this::onExit, finishers);
    }

    private VmSpec spec() {
        lentMacs = macs.lend(type.networkInterfaces().size());
        List<VmSpec.NetworkInterface> interfaces = new ArrayList<>();
        for (int i = 0; i < lentMacs.size(); i++) {
            interfaces.add(
                    new VmSpec.NetworkInterface(type.networkInterfaces().get(i).path(), lentMacs.get(i)));
        }
        boolean shell = workshop.hypervisor().capabilities().contains(HypervisorCapability.SHELL_SOCKET);
        return new VmSpec(
                machine,
                directory.path(),
                type.cpus(),
                type.ram(),
                List.of(directory.disk(), directory.cloudInit(), directory.jobConfig()),
                directory.log(),
                shell ? Optional.of(directory.shellSocket()) : Optional.empty(),
                interfaces,
                type.shared().stream()
                        .map(shared -> new VmSpec.SharedDirectory(shared.path(), shared.tag(), shared.writable()))
                        .toList(),
                Optional.empty());
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

    /** The runner, once it is registered. */
    synchronized Optional<RunnerRegistration> runner() {
        return runner;
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
        removeRunner();
        removeVolumes();
        tell(new FleetEvent.LaunchFailed(machine, kind, reason));
        onGone.run();
    }

    private void onExit(VmExit exit, Throwable bug) {
        VmExit how = exit != null ? exit : new VmExit(VmExit.Kind.FAILED, "a bug in the hypervisor: " + bug);
        tell(new FleetEvent.VmExited(machine, how));
        MachineOutcome outcome;
        try {
            outcome = settleDisk(how);
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the disk of {} was not looked at, and is thrown away.", machine, e);
            outcome = new MachineOutcome(MachineOutcome.Disk.DISCARDED, "a bug in Forrest or a plugin: " + e);
        }
        removeVolumes();
        removeRunner();
        tell(new FleetEvent.MachineGone(machine, outcome));
        onGone.run();
    }

    private MachineOutcome settleDisk(VmExit exit) {
        if (exit.kind() != VmExit.Kind.CLEAN) {
            String reason;
            synchronized (this) {
                reason = endReason.orElse("its VM did not shut down in order: " + exit.reason());
            }
            return discarded(reason);
        }
        PersistRequest request;
        try {
            request = PersistRequest.read(workshop.volumes(), directory.jobConfig(), persistenceToken);
        } catch (PluginException e) {
            return discarded("its JOBDATA volume cannot be read: " + e.getMessage());
        }
        if (request != PersistRequest.GRANTED) {
            if (request == PersistRequest.WRONG_TOKEN) {
                LOG.warn("{} left a wrong persistence token: its disk is thrown away.", machine);
            }
            return discarded(request.reason());
        }
        try {
            workshop.images().promote(type.id(), directory.disk(), provenance());
            return new MachineOutcome(MachineOutcome.Disk.PROMOTED, request.reason());
        } catch (PluginException e) {
            return rescued(e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the disk of {} could not be promoted.", machine, e);
            return rescued("there is a bug in Forrest or a plugin: " + e);
        }
    }

    private Provenance provenance() {
        return new Provenance(
                machine, Optional.empty(), Optional.empty(), workshop.clock().instant());
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
            return discarded(reason);
        }
    }

    private static MachineOutcome discarded(String reason) {
        return new MachineOutcome(MachineOutcome.Disk.DISCARDED, reason);
    }

    private void removeRunner() {
        Optional<RunnerRegistration> registered = runner();
        if (registered.isEmpty()) {
            return;
        }
        try {
            workshop.runners()
                    .remove(machine.type().repository(), registered.get().runnerId());
        } catch (PluginException e) {
            LOG.info("The runner of {} is left to the sweep: {}", machine, e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the runner of {} is left to the sweep.", machine, e);
        }
    }

    private void removeVolumes() {
        try {
            directory.removeVolumes();
        } catch (IOException e) {
            LOG.warn("{} is left in {} until Forrest starts again: {}", machine, directory.path(), e.toString());
        }
        macs.giveBack(lentMacs);
        lentMacs = List.of();
    }

    private void tell(FleetEvent event) {
        workshop.events().accept(event);
    }
}
