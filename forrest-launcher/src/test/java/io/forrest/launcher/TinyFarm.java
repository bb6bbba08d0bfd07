package io.forrest.launcher;

import com.google.inject.AbstractModule;
import com.google.inject.multibindings.Multibinder;
import io.forrest.ForrestListener;
import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The real daemon, an embedded GitHub and tiny guests in real QEMUs, on a real XFS. One machine type: {@code build}. */
final class TinyFarm implements AutoCloseable {
    static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    static final String TOKEN = "the-persistence-token";
    private static final Duration LONGEST_JOB = Duration.ofMinutes(3);

    private final LoopFileSystem fileSystem;
    private final EmbeddedGitHub gitHub;
    private final Daemon daemon;
    private final Map<String, MachineSnapshot> machines = new ConcurrentHashMap<>();

    /**
     * Builds the guest and starts it all.
     *
     * @param ram what the host hands out; a machine has 128M
     * @param timings for tests that cannot wait for the usual ones
     */
    TinyFarm(String ram, FleetTimings timings) throws Exception {
        for (String program : List.of("qemu-system-x86_64", "busybox", "cpio", "mcopy", "syslinux")) {
            HostNeeds.program(program);
        }
        fileSystem = LoopFileSystem.mount("xfs");
        Path work = fileSystem.directory();
        ShippedFiles.unpack("guests", work.resolve("guests"));
        ShippedFiles.unpack("setup-templates/generic", work.resolve("template"));
        HostCommand.run(
                work.resolve("guests/build-tiny-image").toString(),
                work.resolve("src.raw").toString());
        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(REPOSITORY);
        gitHub.writeKey(work.resolve("key.pem"));
        Path config = work.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: %5$s, qemu: {accelerator: tcg}}
                github: {api_url: "%2$s", app_id: "%3$s", jwt_key_file: %1$s/key.pem, webhook_secret: "%4$s"}
                repositories:
                  acme:
                    firmware:
                      persistence_token: %6$s
                      machines:
                        build:
                          base_image: %1$s/src.raw
                          setup_template:
                            path: %1$s/template
                            parameters: {RUNNER_VERSION: none, RUNNER_HASH: none}
                          cpus: 1
                          ram: 128M
                          disk: 64M
                """
                        .formatted(work, gitHub.apiUrl(), gitHub.appId(), gitHub.webhookSecret(), ram, TOKEN));
        daemon = Daemon.of(config, new AbstractModule() {
            @Override
            protected void configure() {
                bind(FleetTimings.class).toInstance(timings);
                Multibinder.newSetBinder(binder(), ForrestListener.class)
                        .addBinding()
                        .toInstance(machine -> machines.put(machine.id().runnerName(), machine));
            }
        });
        daemon.start();
        gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(baseDirectory())));
    }

    EmbeddedGitHub gitHub() {
        return gitHub;
    }

    Path baseDirectory() {
        return fileSystem.directory().resolve("base");
    }

    Path machineImage() {
        return baseDirectory().resolve("machines/acme/firmware/build.img");
    }

    JobId queue(String name, String script) {
        return gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, name, "build", script));
    }

    /** All machines that were ever heard of, as last heard of. */
    List<MachineSnapshot> machines() {
        return List.copyOf(machines.values());
    }

    /** The machine that has or had the job, as last heard of. */
    Optional<MachineSnapshot> machine(JobId job) {
        return gitHub.job(job).runnerName().flatMap(name -> Optional.ofNullable(machines.get(name)));
    }

    Optional<Path> runDirectory(JobId job) {
        return gitHub.job(job).runnerName().map(baseDirectory().resolve("runs/acme/firmware/build")::resolve);
    }

    /** Waits until the job's machine is gone; how that ended. */
    MachineOutcome outcome(JobId job) throws Exception {
        return Eventually.find("the end of the machine of " + gitHub.job(job).name(), LONGEST_JOB, () -> machine(job)
                .filter(machine -> machine.state() == MachineState.STOPPED)
                .flatMap(MachineSnapshot::outcome));
    }

    @Override
    public void close() {
        daemon.close();
        gitHub.close();
        fileSystem.close();
    }
}
