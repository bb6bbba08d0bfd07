package io.forrest.launcher.api;

import io.forrest.Forrest;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeJobSource;
import io.forrest.testing.FakeRunnerBroker;
import io.forrest.testing.FakeVm;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** A Forrest on fakes with a control socket. Its host has 1G of RAM, its only machine type {@code build} takes all of it. */
public final class ControlledForrest implements AutoCloseable {
    /** What its clock says, always. */
    public static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final ManualClock clock = new ManualClock(NOW);
    private final FakeHypervisor hypervisor = new FakeHypervisor(FakeVm::runForEver);
    private final FakeRunnerBroker broker = new FakeRunnerBroker(TestConfigs.REPOSITORY);
    private final FakeJobSource jobs = new FakeJobSource(clock);
    private final Path directory;
    private final MachineType type;
    private final Forrest forrest;
    private final ApiServer control;

    /** {@code socket} is its name in {@link #directory}. */
    public ControlledForrest(String socket) throws Exception {
        directory = Files.createTempDirectory("controlled");
        Path template = directory.resolve("template");
        Files.createDirectories(template.resolve("cloud-init"));
        Files.createDirectories(template.resolve("job-config"));
        Path image = Files.writeString(directory.resolve("src.raw"), "an image");
        type = TestConfigs.type("build", "1G", Optional.empty(), Optional.of(image), template);
        ForrestConfig config = TestConfigs.config(directory, "1G", type);
        forrest = Forrest.builder(() -> config)
                .imageStore(new InMemoryImageStore())
                .guestVolumes(new FakeGuestVolumes())
                .hypervisor(hypervisor)
                .runnerBroker(broker)
                .jobSource(jobs)
                .clock(clock)
                .build();
        forrest.start();
        control = new ApiServer(
                directory.resolve(socket), ApiServer.Clients.OWNER, Optional.empty(), new ControlRoutes(forrest));
        control.start();
    }

    public Path directory() {
        return directory;
    }

    public JobId queue() {
        return jobs.queue(type.id());
    }

    /** The next VM, once it is started; its runner takes the job. */
    public FakeVm startJob(JobId job) throws Exception {
        FakeVm vm = hypervisor.nextVm(PATIENCE);
        String name = vm.spec().machine().runnerName();
        broker.giveJob(broker.runnerId(name).orElseThrow());
        jobs.start(job, name);
        return vm;
    }

    /** The job is over, and its guest powers off. */
    public void finish(FakeVm vm, JobId job) {
        broker.endJob(broker.runnerId(vm.spec().machine().runnerName()).orElseThrow());
        jobs.complete(job);
        vm.powerOff();
    }

    /** Forrest ends, its server goes on for the moment. */
    void closeForrest() {
        forrest.endMachines();
        forrest.close();
    }

    @Override
    public void close() {
        control.close();
        closeForrest();
    }
}
