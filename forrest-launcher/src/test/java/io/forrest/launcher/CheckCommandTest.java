package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.stream.Stream;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;
import picocli.CommandLine;

public class CheckCommandTest {
    private Path directory;
    private Path config;
    private StringWriter out;
    private StringWriter err;

    @BeforeMethod
    public void writeConfig() throws IOException {
        directory = Files.createTempDirectory("check");
        config = directory.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host:
                  base_dir: /proc/forrest
                  ram: 4G
                  qemu: {binary: /nonexistent/qemu, accelerator: tcg}
                github:
                  app_id: 1
                  jwt_key_file: %1$s/key.pem
                  webhook_secret: hush-hush
                repositories:
                  acme:
                    firmware:
                      persistence_token: also-hush
                      machines:
                        build:
                          base_image: %1$s/debian.raw
                          setup_template: {path: %1$s/template}
                          cpus: 1
                          ram: 1G
                          disk: 1G
                """
                        .formatted(directory));
    }

    private int check(String... options) {
        out = new StringWriter();
        err = new StringWriter();
        CommandLine line = Main.commandLine().setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
        return line.execute(
                Stream.concat(Stream.concat(Stream.of("check"), Stream.of(options)), Stream.of(config.toString()))
                        .toArray(String[]::new));
    }

    private void edit(String from, String to) throws IOException {
        String text = Files.readString(config);
        assertThat(text).contains(from);
        Files.writeString(config, text.replace(from, to));
    }

    @Test
    public void everyProblemOfTheHostIsToldAtOnceWithItsLine() {
        assertThat(check()).isEqualTo(1);
        assertThat(err.toString())
                .startsWith(config + " has 6 problems.")
                .contains("line  2  host.base_dir", "/proc/forrest")
                .contains("host.qemu.binary", "/nonexistent/qemu", "Install QEMU")
                .contains("line  7  github.jwt_key_file", directory + "/key.pem does not exist")
                .contains("line 15  repositories.acme.firmware.machines.build.base_image", "debian.raw does not exist")
                .contains("line 16  repositories.acme.firmware.machines.build.setup_template.path", "cloud-init");
        List<String> lines =
                err.toString().lines().filter(line -> line.contains(" line ")).toList();
        assertThat(lines).isSortedAccordingTo((a, b) -> a.substring(0, 9).compareTo(b.substring(0, 9)));
    }

    @Test
    public void aBrokenConfigurationDoesNotHideTheHostsProblems() throws Exception {
        edit("cpus: 1", "cpu: 1");
        assertThat(check()).isEqualTo(1);
        assertThat(err.toString())
                .contains("Did you mean cpus?")
                .contains("host.base_dir", "/proc/forrest")
                .contains("/nonexistent/qemu");
    }

    @Test
    public void aBrokenSectionHostLeavesTheHostAlone() throws Exception {
        edit("ram: 4G", "ram: 4 GB");
        assertThat(check()).isEqualTo(1);
        assertThat(err.toString()).contains("4 GB").doesNotContain("/nonexistent/qemu");
    }

    @Test
    public void withConfigOnlyTheHostIsLeftOut() {
        assertThat(check("--config-only")).isZero();
        assertThat(out.toString()).contains("has no problems");
        assertThat(err.toString()).isEmpty();
    }

    @Test
    public void thePrintedConfigurationIsCompleteAndKeepsItsSecrets() {
        assertThat(check("--config-only", "--print")).isZero();
        assertThat(out.toString())
                .contains("use_base: if_newer", "polling_interval: 15m")
                .doesNotContain("hush");
    }

    @Test
    public void aFileThatIsNotThereIsOneProblem() {
        config = directory.resolve("missing.yaml");
        assertThat(check()).isEqualTo(1);
        assertThat(err.toString()).contains(config + " has 1 problem.", "does not exist");
    }

    @Test
    public void withGitHubTheRunnerIsNamedThatMachinesGetOrWhyThereIsNone() throws Exception {
        try (EmbeddedGitHub gitHub = new EmbeddedGitHub(Clock.systemUTC())) {
            gitHub.addRepository(new RepositoryId("acme", "firmware"));
            gitHub.writeKey(directory.resolve("key.pem"));
            edit("app_id: 1", "app_id: \"" + gitHub.appId() + "\"\n  api_url: " + gitHub.apiUrl());
            edit("cpus: 1", "runner: auto\n          cpus: 1");
            assertThat(check("--config-only", "--github")).isEqualTo(1);
            assertThat(err.toString())
                    .contains("repositories.acme.firmware.machines.build.runner", "no runner for linux");
            gitHub.publishRunner("2.330.0", new byte[] {1});
            assertThat(check("--config-only", "--github")).isZero();
            assertThat(out.toString()).contains("GitHub's runner 2.330.0");
        }
    }

    @Test
    public void anUnknownOptionIsAUsageError() {
        assertThat(check("--confg-only")).isEqualTo(2);
        assertThat(err.toString()).contains("--config-only");
    }
}
