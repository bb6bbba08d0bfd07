package io.forrest.launcher.chaos;

import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.Daemon;
import io.forrest.launcher.HostCommand;
import io.forrest.launcher.ShippedFiles;
import io.forrest.launcher.demo.DemoStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;

/** A host's directories, the configuration of a daemon on it, and its GitHub. The daemon is somebody else's business. */
final class ChaosFarm {
    static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");

    /** Small enough to be filled up at once, large enough for the generations of many hundred jobs. */
    static final long STORE_BYTES = 1536L << 20;

    private static final String TOKEN = "the-persistence-token";
    private static final int MACHINES = 4;
    private static final int MACHINE_MEBIBYTES = 128;
    private static final int IMAGE_MEBIBYTES = 64;

    private final Path work;
    private final Path baseDirectory;
    private final EmbeddedGitHub gitHub;
    private final Path config;

    private ChaosFarm(Path work, Path baseDirectory, EmbeddedGitHub gitHub, Path config) {
        this.work = work;
        this.baseDirectory = baseDirectory;
        this.gitHub = gitHub;
        this.config = config;
    }

    /** Builds the guest and writes the configuration; takes some seconds. */
    static ChaosFarm make(DemoStore store, String accelerator, CleanUp cleanUp) throws IOException {
        Path directory = store.directory();
        ShippedFiles.unpack("guests", directory.resolve("guests"));
        ShippedFiles.unpack("setup-templates/generic", directory.resolve("template"));
        // Beside the image: what the script leaves if it is killed goes with that.
        HostCommand.run(
                "env",
                "TMPDIR=" + directory.resolve("guests"),
                directory.resolve("guests/build-tiny-image").toString(),
                "--size",
                IMAGE_MEBIBYTES + "M",
                directory.resolve("src.raw").toString());
        EmbeddedGitHub gitHub = cleanUp.add(new EmbeddedGitHub(Clock.systemUTC()));
        gitHub.addRepository(REPOSITORY);
        gitHub.addSecret(REPOSITORY, PlannedJob.SECRET, TOKEN);
        Path work = store.besides();
        gitHub.writeKey(work.resolve("app-key.pem"));
        Path baseDirectory = directory.resolve("base");
        Path config = work.resolve("config.yaml");
        Files.writeString(config, config(work, directory, gitHub, accelerator));
        gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(baseDirectory)));
        return new ChaosFarm(work, baseDirectory, gitHub, config);
    }

    private static String config(Path work, Path directory, EmbeddedGitHub gitHub, String accelerator) {
        return """
                host:
                  base_dir: %1$s/base
                  ram: %2$dM
                  disk_reserve: 0M
                  retention: {generations: 10000}
                  qemu: {accelerator: %3$s}
                github:
                  api_url: %4$s
                  app_id: "%5$s"
                  jwt_key_file: %6$s/app-key.pem
                  webhook_secret: "%7$s"
                  polling_interval: 5s
                .machine: &machine
                  setup_template:
                    path: %1$s/template
                    parameters: {RUNNER_VERSION: none, RUNNER_HASH: none}
                  cpus: 1
                  ram: %8$dM
                  disk: %9$dM
                repositories:
                  %10$s:
                    %11$s:
                      persistence_token: "%12$s"
                      machines:
                        %13$s: {<< : *machine, base_image: %1$s/src.raw}
                        %14$s: {<< : *machine, base_image: %1$s/src.raw, use_base: always}
                        %15$s: {<< : *machine, base_machine: %10$s/%11$s/%14$s}
                """
                .formatted(
                        directory,
                        MACHINES * MACHINE_MEBIBYTES,
                        accelerator,
                        gitHub.apiUrl(),
                        gitHub.appId(),
                        work,
                        gitHub.webhookSecret(),
                        MACHINE_MEBIBYTES,
                        IMAGE_MEBIBYTES,
                        REPOSITORY.owner(),
                        REPOSITORY.name(),
                        TOKEN,
                        ChaosPlan.BUILD,
                        ChaosPlan.BASE,
                        ChaosPlan.DERIVED);
    }

    /** For logs; not on the file system that is filled up. */
    Path work() {
        return work;
    }

    Path baseDirectory() {
        return baseDirectory;
    }

    EmbeddedGitHub gitHub() {
        return gitHub;
    }

    Path config() {
        return config;
    }
}
