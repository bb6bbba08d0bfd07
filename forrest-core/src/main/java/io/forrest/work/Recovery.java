package io.forrest.work;

import io.forrest.artifacts.UploadLedger;
import io.forrest.config.ConfigSource;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.AdoptedMachine;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.Vm;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes over what an earlier Forrest left, whether it was closed, was killed, or went down with its host: goes on with
 * machines that have a VM or a disk to promote, and removes what is left of the others.
 *
 * <p>Used once, by one thread, before the first machine starts.
 */
public final class Recovery {
    private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
    private static final Duration LONGEST_STOP = Duration.ofSeconds(10);

    private static final MachineOutcome NOTHING_CAME_OF_IT = new MachineOutcome(
            MachineOutcome.Disk.DISCARDED, "an earlier Forrest launched it, of whose VM there is no trace");

    private final Workshop workshop;
    private final ConfigSource config;
    private final MachineRuns runs;
    private final List<AdoptedMachine> adopted = new ArrayList<>();
    private final Map<RepositoryId, Set<String>> oldRunners = new TreeMap<>();

    /** {@code runs} takes the machines that go on. */
    public Recovery(Workshop workshop, ConfigSource config, MachineRuns runs) {
        this.workshop = workshop;
        this.config = config;
        this.runs = runs;
    }

    /**
     * Takes over. Blocks. Whatever cannot be looked at stays as it is, and is said. Returns the machines that go on, for
     * the fleet's books.
     */
    public List<AdoptedMachine> recover() {
        RunDirectory.all(workshop.baseDirectory(), Recovery::unreadable).forEach(this::takeOver);
        return adopted;
    }

    private static void unreadable(Path directory, IOException failure) {
        LOG.warn(
                "What an earlier Forrest may have left in {} could not be looked at, and stays: {}",
                directory,
                failure.toString());
    }

    private void takeOver(RunDirectory run) {
        try {
            settleUploads(run);
            RecordFile file = new RecordFile(run);
            RecordFile.Reading reading = file.read();
            if (reading instanceof RecordFile.Reading.Known known) {
                takeOver(run, known.machine());
            } else if (reading instanceof RecordFile.Reading.Unreadable unreadable) {
                LOG.warn("{}.", unreadable.reason());
                file.setAside();
                takeOverUnknown(run);
            } else if (run.hasVolumes()) {
                takeOverUnknown(run);
            }
        } catch (PluginException | IOException | ExecutionException | TimeoutException e) {
            LOG.warn(
                    "{} was left by an earlier Forrest and cannot be taken over, so its files stay in {}: {}",
                    run.machine(),
                    run.path(),
                    e.toString());
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: what is left of {} stays in {}.", run.machine(), run.path(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whatever became of the machine, no half of an artifact stays. */
    private static void settleUploads(RunDirectory run) {
        try {
            new UploadLedger(run.path()).settle();
        } catch (IOException e) {
            LOG.warn("{} uploads no more artifacts: {}", run.machine(), e.getMessage());
        }
    }

    private void takeOver(RunDirectory run, MachineRecord machine) throws PluginException, IOException {
        switch (machine.stage()) {
            case OVER -> {
                if (run.hasVolumes()) {
                    remove(run);
                }
            }
            case PROMOTING -> {
                LOG.info("{} is taken over: its disk is to be promoted.", run.machine());
                adopted.add(runs.resumePromotion(machine));
            }
            case LAUNCHING, STARTED -> {
                Optional<Vm> vm = workshop.hypervisor().find(run.path());
                if (vm.isPresent()) {
                    resume(machine, vm.get());
                } else {
                    new RecordFile(run)
                            .write(machine.over(
                                    NOTHING_CAME_OF_IT, workshop.clock().instant()));
                    remove(run);
                }
            }
        }
    }

    private void resume(MachineRecord machine, Vm vm) {
        LOG.info("{} is taken over: its VM was started by an earlier Forrest.", machine.machine());
        adopted.add(runs.resume(machine, vm));
    }

    /** Its VM may have a job. As long as there is a recipe that says how much RAM it takes, it goes on. */
    private void takeOverUnknown(RunDirectory run)
            throws PluginException, IOException, ExecutionException, InterruptedException, TimeoutException {
        Optional<Vm> vm = workshop.hypervisor().find(run.path());
        Optional<MachineType> type = config.current().machineType(run.machine().type());
        if (vm.isPresent() && type.isPresent()) {
            LOG.warn(
                    "{} has a VM, and no record that can be used: it goes on by what the configuration says now of {}.",
                    run.machine(),
                    run.machine().type());
            Optional<RepositoryConfig> repository = Optional.ofNullable(
                    config.current().repositories().get(run.machine().type().repository()));
            resume(
                    MachineRecord.launching(
                            run.machine(),
                            type.get(),
                            repository.flatMap(RepositoryConfig::persistenceToken),
                            workshop.clock().instant()),
                    vm.get());
            return;
        }
        if (vm.isPresent()) {
            LOG.warn(
                    "{} has a VM, no record that can be used, and a machine type that the configuration does not have: its"
                            + " VM is ended.",
                    run.machine());
            vm.get().stop(Duration.ZERO);
            vm.get().exit().toCompletableFuture().get(LONGEST_STOP.toMillis(), TimeUnit.MILLISECONDS);
        }
        remove(run);
    }

    private void remove(RunDirectory run) throws IOException {
        run.removeVolumes();
        LOG.info("{} was left by an earlier Forrest: its disk is removed, its logs stay.", run.machine());
        oldRunners
                .computeIfAbsent(run.machine().type().repository(), repository -> new TreeSet<>())
                .add(run.machine().runnerName());
    }

    /** Removes the runners of machines that did not go on, as far as the forge answers; the sweep gets the others. Blocks. */
    public void removeRunners() {
        oldRunners.forEach((repository, names) -> {
            try {
                for (RunnerSighting runner : workshop.runners().list(repository)) {
                    if (names.contains(runner.name())) {
                        workshop.runners().remove(repository, runner.runnerId());
                    }
                }
            } catch (PluginException e) {
                LOG.info("Old runners of {} are left to the sweep: {}", repository, e.getMessage());
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: old runners of {} are left to the sweep.", repository, e);
            }
        });
    }
}
