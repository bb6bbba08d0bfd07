package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ConfigFile;
import io.forrest.config.ConfigInspection;
import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import io.forrest.testing.FakeHypervisor;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import org.testng.annotations.Test;

public class PluginTest {
    /** What a plugin brings. */
    public static final class SampleFactory implements HypervisorFactory {
        @Override
        public String name() {
            return "sample";
        }

        @Override
        public List<HostProblem> checkSettings(Map<String, String> settings) {
            return settings.containsKey("colour")
                    ? List.of(new HostProblem("colour", "means nothing to a VM.", "Leave it out."))
                    : List.of();
        }

        @Override
        public Hypervisor create(Map<String, String> settings) {
            return new FakeHypervisor();
        }
    }

    @Test
    public void aHypervisorFromAJarIsChosenByItsNameAndChecksItsSettings() throws Exception {
        Path directory = Files.createTempDirectory("plugin");
        Path jar = directory.resolve("sample.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new JarEntry("META-INF/services/" + HypervisorFactory.class.getName()));
            out.write(SampleFactory.class.getName().getBytes(StandardCharsets.UTF_8));
        }
        Path config = directory.resolve("config.yaml");
        String text =
                """
                host: {base_dir: /var/lib/forrest, ram: 1G, hypervisor: sample, sample: {size: 3}}
                github: {app_id: 1, jwt_key_file: /key.pem, webhook_secret: s}
                repositories: {}
                """;
        Thread here = Thread.currentThread();
        ClassLoader before = here.getContextClassLoader();
        try (URLClassLoader plugins = new URLClassLoader(new URL[] {jar.toUri().toURL()}, before)) {
            here.setContextClassLoader(plugins);
            Files.writeString(config, text);
            ConfigInspection good = ConfigFile.inspect(config, Hypervisors.all());
            assertThat(good.problems()).isEmpty();
            try (Hypervisor chosen = Hypervisors.create(good.host().orElseThrow())) {
                assertThat(chosen).isInstanceOf(FakeHypervisor.class);
            }

            Files.writeString(config, text.replace("size: 3", "colour: red"));
            assertThat(ConfigFile.inspect(config, Hypervisors.all()).problems())
                    .singleElement()
                    .satisfies(problem -> assertThat(problem.path()).isEqualTo("host.sample.colour"));
        } finally {
            here.setContextClassLoader(before);
        }
    }
}
