package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.inject.AbstractModule;
import io.forrest.domain.HostProblem;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.Vm;
import io.forrest.spi.VmSpec;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.testng.annotations.Test;

public class ServeFailureTest {
    private static final class HypervisorWithABug implements Hypervisor {
        @Override
        public Set<HypervisorCapability> capabilities() {
            return Set.of();
        }

        @Override
        public List<HostProblem> checkHost() {
            throw new IllegalStateException("a bug in a plugin");
        }

        @Override
        public Vm start(VmSpec spec) {
            throw new IllegalStateException("a bug in a plugin");
        }

        @Override
        public Optional<Vm> find(Path runDirectory) {
            return Optional.empty();
        }

        @Override
        public void close() {}
    }

    @Test
    public void aBugInAPluginAtTheStartEndsTheDaemonWithAFailureAndLetsGoOfTheDirectory() throws Exception {
        Path work = Files.createTempDirectory("serve");
        try (EmbeddedGitHub gitHub = new EmbeddedGitHub(Clock.systemUTC())) {
            gitHub.writeKey(work.resolve("key.pem"));
            Path config = Files.writeString(
                    work.resolve("config.yaml"),
                    """
                    host: {base_dir: %1$s/base, ram: 1G}
                    github: {api_url: "%2$s", app_id: "1", jwt_key_file: %1$s/key.pem, webhook_secret: s}
                    repositories: {}
                    """
                            .formatted(work, gitHub.apiUrl()));
            // Twice, as the directory would be locked if the first had not been closed.
            for (int i = 0; i < 2; i++) {
                StringWriter errors = new StringWriter();
                Daemon daemon = Daemon.of(config, new AbstractModule() {
                    @Override
                    protected void configure() {
                        bind(Hypervisor.class).toInstance(new HypervisorWithABug());
                    }
                });
                assertThat(ServeCommand.serve(daemon, new PrintWriter(errors))).isEqualTo(1);
                assertThat(errors.toString()).isEmpty();
            }
        }
    }
}
