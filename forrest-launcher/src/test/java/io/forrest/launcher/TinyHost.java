package io.forrest.launcher;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * All that a daemon needs, and no daemon: a real XFS with the tiny guest's image, an embedded GitHub, a configuration with
 * one machine type, {@code build}. Its end ends what VMs are left, and counts on no daemon's being there.
 */
final class TinyHost implements AutoCloseable {
    static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    static final String TOKEN = "the-persistence-token";

    private final LoopFileSystem fileSystem;
    private final EmbeddedGitHub gitHub;
    private final Path config;

    /**
     * Builds the guest; {@code ram} is what the host hands out, of which a machine has 128M.
     *
     * @param more lines of the machine type
     */
    TinyHost(String ram, String... more) throws Exception {
        this(ram, true, more);
    }

    /** {@code runner}: whether the guest's image has one; without, the host gives it. */
    TinyHost(String ram, boolean runner, String... more) throws Exception {
        for (String program : List.of("qemu-system-x86_64", "busybox", "cpio", "mcopy", "syslinux")) {
            HostNeeds.program(program);
        }
        fileSystem = LoopFileSystem.mount("xfs");
        Path work = fileSystem.directory();
        ShippedFiles.unpack("guests", work.resolve("guests"));
        ShippedFiles.unpack("setup-templates/generic", work.resolve("template"));
        List<String> build =
                new ArrayList<>(List.of(work.resolve("guests/build-tiny-image").toString()));
        if (!runner) {
            build.add("--no-runner");
        }
        build.add(work.resolve("src.raw").toString());
        HostCommand.run(build.toArray(String[]::new));
        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(REPOSITORY);
        gitHub.writeKey(work.resolve("key.pem"));
        config = work.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: %5$s, disk_reserve: 64M, qemu: {accelerator: tcg}}
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
                            %7$s
                          runner: %8$s
                          cpus: 1
                          ram: 128M
                          disk: 64M
                """
                        .concat(Stream.of(more).map("          %s\n"::formatted).collect(Collectors.joining()))
                        .formatted(
                                work,
                                gitHub.apiUrl(),
                                gitHub.appId(),
                                gitHub.webhookSecret(),
                                ram,
                                TOKEN,
                                runner ? "parameters: {RUNNER_VERSION: none, RUNNER_HASH: none}" : "",
                                runner ? "template" : "auto"));
    }

    /** GitHub publishes the demo's runner in this version, which says hello first. */
    void publishRunner(String version, String hello) throws Exception {
        Path runner = Files.createDirectories(directory().resolve("runner-" + version));
        Path script = runner.resolve("run.sh");
        Files.copy(directory().resolve("guests/demo-runner/run.sh"), script);
        Files.writeString(script, Files.readString(script).replaceFirst("set -u\n", "set -u\necho '" + hello + "'\n"));
        HostCommand.run("chmod", "755", script.toString());
        Path archive = directory().resolve(version + ".tar.gz");
        HostCommand.run("tar", "-C", runner.toString(), "-czf", archive.toString(), ".");
        gitHub.publishRunner(version, Files.readAllBytes(archive));
    }

    /** Where the configuration is, and daemons work. */
    Path directory() {
        return fileSystem.directory();
    }

    Path config() {
        return config;
    }

    EmbeddedGitHub gitHub() {
        return gitHub;
    }

    Path baseDirectory() {
        return directory().resolve("base");
    }

    Path machineImage() {
        return baseDirectory().resolve("machines/acme/firmware/build.img");
    }

    /** Has GitHub send webhooks to the daemon, once there is one. */
    void sendWebhooks() {
        gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(baseDirectory())));
    }

    JobId queue(String name, String script) {
        return gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, name, "build", script));
    }

    Optional<Path> runDirectory(JobId job) {
        return gitHub.job(job).runnerName().map(baseDirectory().resolve("runs/acme/firmware/build")::resolve);
    }

    /** The disks in run directories. */
    List<Path> disks() throws IOException {
        try (Stream<Path> files = Files.walk(baseDirectory().resolve("runs"))) {
            return files.filter(file -> file.endsWith("disk.img")).toList();
        }
    }

    /** The QEMUs that run here. */
    List<ProcessHandle> qemus() {
        return Qemus.below(directory());
    }

    @Override
    public void close() {
        Qemus.kill(directory());
        gitHub.close();
        fileSystem.close();
    }
}
