package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.config.MachineType.SetupTemplate;
import io.forrest.config.MachineType.SharedDirectory;
import io.forrest.config.MachineType.VdeInterface;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import io.forrest.testing.MarkdownBlocks;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.testng.annotations.Test;

public class ConfigPrinterTest {
    @Test
    public void theExampleIsPrintedFlatWithItsDefaultsAndWithoutItsSecrets() throws Exception {
        String printed = ConfigPrinter.print(example());
        assertThat(printed).doesNotContain("change-me", "&", "*", "<<", "_snippets", "bigger-test");
        assertThat(printed)
                .contains("  webhook_secret: <secret>\n")
                .contains("  polling_interval: 15m\n")
                .contains("  disk_reserve: 5G\n")
                .contains("  retention:\n    generations: 10\n    runs: 30d\n    log_size: 16M\n")
                .contains("  api_url: \"https://api.github.com\"\n")
                .contains(
                        """
                                test:
                                  base_machine: acme/images/debian-trixie-base
                                  use_base: if_newer
                                  setup_template:
                                    path: /etc/forrest/setup-templates/generic
                                    parameters:
                                      RUNNER_HASH: sha256-of-actions-runner-linux-x64-2.330.0.tar.gz
                                      RUNNER_VERSION: "2.330.0"
                                  runner: template
                                  cpus: 4
                                  disk: 16G
                                  ram: 8G
                                  shared: []
                                  network_interfaces:
                                    - type: vde
                                      path: /run/vde/lab.ctl
                                  artifacts: []
                        """
                                .indent(8)
                                .replaceAll("(?m)^ {8}", ""));
    }

    @Test
    public void withItsSecretsPutBackItLoadsAsTheSameConfiguration() throws Exception {
        ForrestConfig example = example();
        assertThat(reload(example)).isEqualTo(example);
    }

    @Test
    public void whatItPrintsInPlaceOfSecretsIsRefusedAsASecret() throws Exception {
        assertThat(ConfigTexts.problems(ConfigPrinter.print(example())))
                .hasSize(3)
                .allMatch(problem -> problem.contains("This stands where a secret was hidden"));
    }

    @Test
    public void anyConfigurationSurvivesPrintingWhateverItsTexts() throws Exception {
        for (long seed = 0; seed < 300; seed++) {
            ForrestConfig config = random(new Random(seed));
            assertThat(reload(config)).as("seed %d", seed).isEqualTo(config);
        }
    }

    private static ForrestConfig example() throws Exception {
        return ConfigFile.load(MarkdownBlocks.sourceFile("docs/examples/config.yaml"), ConfigTexts.HYPERVISORS)
                .config();
    }

    private static ForrestConfig reload(ForrestConfig config) throws Exception {
        return ConfigTexts.load(ConfigPrinter.print(config, Secret::reveal)).config();
    }

    private static ForrestConfig random(Random random) throws UnknownHostException {
        Map<RepositoryId, RepositoryConfig> repositories = new HashMap<>();
        for (int i = random.nextInt(3); i > 0; i--) {
            RepositoryId id = new RepositoryId("owner" + random.nextInt(2), i == 1 ? "null" : "1." + i);
            Map<String, MachineType> machines = new HashMap<>();
            for (int j = random.nextInt(3); j > 0; j--) {
                MachineType type = machineType(new MachineTypeId(id, j == 1 ? "true" : "0" + j), random);
                machines.put(type.id().type(), type);
            }
            repositories.put(
                    id,
                    new RepositoryConfig(
                            random.nextBoolean() ? Optional.of(Secret.of(text(random))) : Optional.empty(), machines));
        }
        byte[] address = new byte[random.nextBoolean() ? 4 : 16];
        random.nextBytes(address);
        return new ForrestConfig(
                new HostConfig(
                        path(random),
                        DataSize.ofGibibytes(100),
                        new DataSize(random.nextInt(Integer.MAX_VALUE)),
                        Optional.of(new InetSocketAddress(InetAddress.getByAddress(address), random.nextInt(65_536)))
                                .filter(listen -> random.nextBoolean()),
                        "qemu",
                        random.nextBoolean() ? Map.of() : Map.of("binary", text(random)),
                        runner(random),
                        new RetentionConfig(
                                1 + random.nextInt(1000),
                                Optional.of(Duration.ofSeconds(1 + random.nextInt(100_000)))
                                        .filter(age -> random.nextBoolean()),
                                Duration.ofSeconds(1 + random.nextInt(100_000)),
                                new DataSize(1 + random.nextInt(Integer.MAX_VALUE)))),
                new GitHubConfig(
                        text(random),
                        path(random),
                        Secret.of(text(random)),
                        Duration.ofSeconds(1 + random.nextInt(100_000)),
                        URI.create("http://localhost:1234/api/v3")),
                repositories);
    }

    private static MachineType machineType(MachineTypeId id, Random random) {
        return new MachineType(
                id,
                Optional.empty(),
                random.nextBoolean() ? Optional.of(path(random)) : Optional.empty(),
                List.of(UseBase.IF_NEWER, UseBase.ALWAYS, UseBase.NEVER).get(random.nextInt(3)),
                new SetupTemplate(
                        path(random),
                        random.nextBoolean() ? Map.of() : Map.of("A", "", "x" + text(random), text(random))),
                runner(random),
                1 + random.nextInt(1000),
                new DataSize(random.nextInt(Integer.MAX_VALUE)),
                new DataSize(1 + random.nextInt(Integer.MAX_VALUE)),
                random.nextBoolean()
                        ? List.of()
                        : List.of(
                                new SharedDirectory(path(random), "a" + text(random), true),
                                new SharedDirectory(path(random), "b" + text(random), false)),
                random.nextBoolean() ? List.of() : List.of(new VdeInterface(path(random))),
                random.nextBoolean()
                        ? List.of()
                        : List.of(
                                new ArtifactStore(
                                        "a", text(random), text(random), DataSize.ofMebibytes(1), Optional.empty()),
                                new ArtifactStore(
                                        "~",
                                        text(random),
                                        text(random),
                                        DataSize.ZERO,
                                        Optional.of(Secret.of(text(random))))));
    }

    private static RunnerSource runner(Random random) {
        return random.nextBoolean() ? RunnerSource.AUTO : RunnerSource.TEMPLATE;
    }

    private static Path path(Random random) {
        return Path.of(text(random).replace("\u0000", ""), "x");
    }

    /** Never blank, else anything that YAML might take for something else. */
    private static String text(Random random) {
        List<String> pieces = List.of(
                "~",
                "null",
                "yes",
                "1",
                "2.310",
                "0x1F",
                "1e3",
                " ",
                ":",
                ": ",
                "#",
                " #",
                "-",
                "- ",
                "?",
                "&a",
                "*a",
                "<<",
                "!",
                "!!str",
                "|",
                ">",
                "'",
                "\"",
                "\\",
                "%",
                "@",
                "`",
                "{",
                "}",
                "[",
                "]",
                ",",
                "\n",
                "\r",
                "\t",
                "\u0000",
                "\u0007",
                "\u0085",
                "\u00a0",
                "\u2028",
                "\ufeff",
                "ü",
                "日本",
                "\ud83d\ude00",
                "12:30:45",
                "=",
                "x");
        StringBuilder text = new StringBuilder();
        do {
            text.append(pieces.get(random.nextInt(pieces.size())));
        } while (text.toString().isBlank() || random.nextInt(3) > 0);
        return text.toString();
    }
}
