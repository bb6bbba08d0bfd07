package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.inject.AbstractModule;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.spi.Hypervisor;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeVm;
import io.forrest.testing.LoopFileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.testng.annotations.Test;

/** Webhooks over HTTP, as many at once as a matrix build makes. */
public class BurstTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");

    @Test(groups = "loop")
    public void ofABurstOf50WebhooksTheBigMachinesStartFirstThoughTheyCameLast() throws Exception {
        FakeHypervisor hypervisor = new FakeHypervisor(FakeVm::runForEver);
        try (LoopFileSystem xfs = LoopFileSystem.mount("xfs");
                EmbeddedGitHub gitHub = new EmbeddedGitHub(Clock.systemUTC())) {
            gitHub.addRepository(REPOSITORY);
            gitHub.writeKey(xfs.directory().resolve("key.pem"));
            try (Daemon daemon = Daemon.of(writeConfig(xfs.directory(), gitHub), new AbstractModule() {
                @Override
                protected void configure() {
                    bind(Hypervisor.class).toInstance(hypervisor);
                }
            })) {
                daemon.start();
                gitHub.webhookTarget(WebhookTarget.unixSocket(
                        Daemon.apiSocket(xfs.directory().resolve("base"))));
                for (int i = 0; i < 50; i++) {
                    String type = i < 46 ? "small" : "big";
                    gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, type + i, type, "true"));
                }
                // Who comes first may start before the others are heard of; there is room for two big ones beside it.
                List<String> first = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    first.add(
                            hypervisor.nextVm(PATIENCE).spec().machine().type().type());
                }
                assertThat(first).filteredOn("big"::equals).hasSize(2);
            }
        }
    }

    private static Path writeConfig(Path work, EmbeddedGitHub gitHub) throws Exception {
        Files.createDirectories(work.resolve("template/cloud-init"));
        Files.createDirectories(work.resolve("template/job-config"));
        Files.write(work.resolve("src.raw"), new byte[4096]);
        Path config = work.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: 17G, qemu: {accelerator: tcg}}
                github: {api_url: "%2$s", app_id: "%3$s", jwt_key_file: %1$s/key.pem, webhook_secret: "%4$s"}
                .machine: &machine {base_image: %1$s/src.raw, setup_template: {path: %1$s/template}, cpus: 1, disk: 1M}
                repositories:
                  acme:
                    firmware:
                      machines:
                        small: {<< : *machine, ram: 1G}
                        big: {<< : *machine, ram: 8G}
                """
                        .formatted(work, gitHub.apiUrl(), gitHub.appId(), gitHub.webhookSecret()));
        return config;
    }
}
