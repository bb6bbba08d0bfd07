package io.forrest.launcher.image;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.ReflinkImageStore;
import io.forrest.launcher.Eventually;
import io.forrest.launcher.LauncherProcess;
import io.forrest.launcher.Main;
import io.forrest.spi.Provenance;
import io.forrest.testing.Gate;
import io.forrest.testing.LoopFileSystem;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.testng.annotations.AfterClass;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;
import picocli.CommandLine;

@Test(groups = "loop")
public class ImageCommandTest {
    private static final String TYPE = "acme/firmware/build";
    private static final MachineTypeId ID = MachineTypeId.parse(TYPE);
    private static final byte[] CONTENT = content();

    private LoopFileSystem fileSystem;
    private Path directory;
    private Path base;
    private Path config;
    private HttpServer server;
    private ExecutorService threads;
    private String out;
    private String err;

    @BeforeClass
    public void mount() {
        fileSystem = LoopFileSystem.mount("xfs");
    }

    @AfterClass(alwaysRun = true)
    public void unmount() {
        if (fileSystem != null) {
            fileSystem.close();
        }
    }

    @BeforeMethod
    public void start() throws IOException {
        directory = Files.createTempDirectory(fileSystem.directory(), "test");
        base = directory.resolve("base");
        config = directory.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s, ram: 1G}
                github: {app_id: 1, jwt_key_file: key.pem, webhook_secret: hush}
                repositories:
                  acme:
                    firmware:
                      machines:
                        build: &type
                          base_image: %2$s/debian.raw
                          setup_template: {path: %2$s}
                          cpus: 1
                          ram: 128M
                          disk: 1G
                        base:
                          <<: *type
                          use_base: always
                """
                        .formatted(base, directory));
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        threads = Executors.newCachedThreadPool();
        server.setExecutor(threads);
        server.start();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        server.stop(0);
        threads.shutdownNow();
    }

    private static byte[] content() {
        byte[] content = new byte[3_000_000];
        new Random(1).nextBytes(content);
        content[510] = 0x55;
        content[511] = (byte) 0xAA;
        return content;
    }

    private static String sha256() throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(CONTENT));
    }

    private int image(String... arguments) {
        StringWriter outWriter = new StringWriter();
        StringWriter errWriter = new StringWriter();
        CommandLine line =
                Main.commandLine().setOut(new PrintWriter(outWriter, true)).setErr(new PrintWriter(errWriter, true));
        int code = line.execute(Stream.concat(Stream.of("image", "--config", config.toString()), Stream.of(arguments))
                .toArray(String[]::new));
        out = outWriter.toString();
        err = errWriter.toString();
        return code;
    }

    private void assertDone(String... arguments) {
        int code = image(arguments);
        assertThat(code).as(err).isZero();
    }

    private void assertRefused(String... arguments) {
        assertThat(image(arguments)).isEqualTo(1);
        assertThat(err.strip()).isNotEmpty().doesNotContain("\n", "Exception");
        assertThat(out).isEmpty();
    }

    private Path source() throws IOException {
        return Files.write(directory.resolve("source.img"), CONTENT);
    }

    /** Makes a disk a generation, as Forrest does when a job has persisted it. */
    private MachineId promote(byte with) throws Exception {
        MachineId machine = MachineId.random(ID);
        Files.createDirectories(base);
        Path disk = Files.write(base.resolve("disk.img"), new byte[] {with});
        JobObservation job = new JobObservation(
                new JobId(4711),
                815,
                ID.repository(),
                List.of("self-hosted", "forrest", "build"),
                JobStatus.COMPLETED,
                Optional.of(machine.runnerName()),
                Optional.of("0123456789abcdef0123456789abcdef01234567"),
                Instant.parse("2026-01-01T00:00:00Z"),
                "test");
        new ReflinkImageStore(base)
                .promote(
                        ID,
                        disk,
                        new Provenance(
                                machine, Optional.of(job), Optional.empty(), Instant.parse("2026-01-01T00:00:00Z")));
        return machine;
    }

    private byte[] machineImage() throws IOException {
        return Files.readAllBytes(base.resolve("machines/acme/firmware/build.img"));
    }

    private JsonNode json(String... arguments) throws IOException {
        assertDone(Stream.concat(Stream.of(arguments), Stream.of("--json")).toArray(String[]::new));
        return new ObjectMapper().readTree(out);
    }

    @Test
    public void anImportedFileIsTheMachineImage() throws Exception {
        assertDone("import", TYPE, source().toString(), "--sha256", sha256());
        assertThat(out.strip())
                .isEqualTo("The machine image of acme/firmware/build is generation 1 now, imported from "
                        + directory.resolve("source.img") + ".");
        assertThat(machineImage()).isEqualTo(CONTENT);
        JsonNode imported = json("history", TYPE).path(0);
        assertThat(imported.path("current").booleanValue()).isTrue();
        assertThat(imported.path("source").textValue()).isEqualTo("imported from " + directory.resolve("source.img"));
        assertThat(imported.path("size_bytes").longValue()).isEqualTo(CONTENT.length);
        assertThat(imported.path("data_bytes").longValue()).isBetween(3_000_000L, 3_100_000L);
    }

    @Test
    public void anImportedDownloadIsTheMachineImage() throws Exception {
        server.createContext("/image", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(200, CONTENT.length);
                exchange.getResponseBody().write(CONTENT);
            }
        });
        String address = "http://127.0.0.1:" + server.getAddress().getPort() + "/image";
        assertDone("import", TYPE, address, "--sha256", sha256());
        assertThat(machineImage()).isEqualTo(CONTENT);
        assertThat(err.lines()).hasSizeBetween(2, 11).last().isEqualTo("Downloaded 100 % of 2.9M");

        assertRefused("import", TYPE, address);
        assertThat(err).contains("--sha256");
        assertThat(image("import", TYPE, address, "--sha256", "0".repeat(64))).isEqualTo(1);
        assertThat(err).contains(sha256());
        assertThat(json("history", TYPE)).hasSize(1);
    }

    @Test
    public void anImportForATypeThatIsNotConfiguredIsRefusedWithWhatWasMeant() throws Exception {
        assertRefused("import", "acme/firmware/biuld", source().toString());
        assertThat(err).contains("acme/firmware/biuld", "Did you mean acme/firmware/build?");
        assertDone("ls");
        assertThat(out).hasLineCount(1);
    }

    @Test
    public void anImportForATypeThatAlwaysStartsFromItsBaseSaysSo() throws Exception {
        assertDone("import", "acme/firmware/base", source().toString());
        assertThat(err).contains("use_base: always");
    }

    @Test
    public void atGitHubCapitalsDoNotMatter() throws Exception {
        assertDone("import", "ACME/Firmware/build", source().toString());
        assertThat(machineImage()).isEqualTo(CONTENT);
        assertDone("history", "Acme/Firmware/build");
        assertThat(out).contains("current");
    }

    @Test
    public void everyTypeIsListed() throws Exception {
        promote((byte) 1);
        promote((byte) 2);
        assertDone("import", "acme/firmware/base", source().toString());
        assertDone("ls");
        assertThat(out.lines().map(line -> line.replaceAll(" +", " ")))
                .containsExactly(
                        "TYPE CURRENT SIZE DATA AGE GENERATIONS",
                        "acme/firmware/base 1 2.9M 2.9M 0 min 1",
                        "acme/firmware/build 2 1B 1B 0 min 2");
        JsonNode types = json("ls");
        assertThat(types).hasSize(2);
        assertThat(types.path(1).path("type").textValue()).isEqualTo(TYPE);
        assertThat(types.path(1).path("generations").intValue()).isEqualTo(2);
        assertThat(types.path(1).path("current").path("generation").intValue()).isEqualTo(2);
    }

    @Test
    public void anImageThatWasPutThereByHandIsListedAsSuch() throws Exception {
        promote((byte) 1);
        Path image = base.resolve("machines/acme/firmware/build.img");
        Files.delete(image);
        Files.write(image, new byte[] {7});
        assertDone("ls");
        assertThat(out).contains("by hand");
        assertDone("history", TYPE);
        assertThat(out).contains("put there by hand");
    }

    @Test
    public void theHistoryTellsWhoseEachGenerationIs() throws Exception {
        MachineId machine = promote((byte) 1);
        promote((byte) 2);
        assertDone("history", TYPE);
        assertThat(out.lines().skip(1).map(line -> line.replaceFirst(" .*", "")))
                .containsExactly("2", "1");
        assertThat(out.lines().toList().get(2)).contains("good", "4711", "815", "0123456789 ", machine.runnerName());
        JsonNode first = json("history", TYPE).path(1);
        assertThat(first.path("commit").textValue()).hasSize(40);
        assertThat(first.path("job").longValue()).isEqualTo(4711);
        assertThat(first.path("workflow_run").longValue()).isEqualTo(815);
        assertThat(first.path("runner").textValue()).isEqualTo(machine.runnerName());
    }

    @Test
    public void rollingBackMakesAnEarlierGenerationTheMachineImage() throws Exception {
        for (byte i = 1; i <= 3; i++) {
            promote(i);
        }
        assertDone("rollback", TYPE);
        assertThat(out).contains("acme/firmware/build is generation 2 now");
        assertThat(machineImage()).containsExactly(2);
        assertDone("rollback", TYPE, "1");
        assertThat(machineImage()).containsExactly(1);
        assertDone("history", TYPE);
        assertThat(out).contains("set aside", "rolled back by " + ImageTask.requester());
        JsonNode history = json("history", TYPE);
        assertThat(history.path(0).path("set_aside").path("by_hand").booleanValue())
                .isTrue();
        assertDone("rollback", TYPE, "3");
        assertThat(machineImage()).containsExactly(3);
        assertRefused("rollback", TYPE, "9");
        assertThat(err).contains("no generation 9");
    }

    @Test
    public void aPinnedGenerationIsRemovedOnlyOnceItIsUnpinned() throws Exception {
        promote((byte) 1);
        promote((byte) 2);
        assertDone("pin", TYPE, "1");
        assertDone("history", TYPE);
        assertThat(out.lines().toList().get(2)).contains("pinned");
        assertRefused("rm", TYPE, "1");
        assertThat(err).contains("pinned");
        assertDone("unpin", TYPE, "1");
        assertDone("rm", TYPE, "1");
        assertThat(json("history", TYPE)).hasSize(1);
        assertRefused("rm", TYPE, "2");
        assertThat(err).contains("machine image");
    }

    @Test
    public void aTypeThatHasNothingIsRefusedWithWhatWasMeant() throws Exception {
        promote((byte) 1);
        for (String command : List.of("history", "rollback")) {
            assertRefused(command, "acme/firmware/buidl");
            assertThat(err).contains("Did you mean acme/firmware/build?");
        }
        for (String command : List.of("pin", "unpin", "rm")) {
            assertRefused(command, "acme/firmware/buidl", "1");
            assertThat(err).contains("Did you mean acme/firmware/build?");
        }
    }

    @Test
    public void aTypeThatIsNotConfiguredAnyMoreCanStillBeRolledBack() throws Exception {
        promote((byte) 1);
        promote((byte) 2);
        Files.writeString(config, Files.readString(config).replace("build: &type", "other: &type"));
        assertDone("rollback", TYPE);
        assertThat(machineImage()).containsExactly(1);
    }

    @Test
    public void whatIsTypedInAWrongWayIsAUsageError() throws Exception {
        for (List<String> arguments : List.of(
                List.of("history", "acme/build"),
                List.of("rollback", TYPE, "one"),
                List.of("pin", TYPE),
                List.of("import", TYPE, "ftp://example.org/a"),
                List.of("import", TYPE, "a", "--sha256", "12"))) {
            assertThat(image(arguments.toArray(String[]::new)))
                    .as("%s", arguments)
                    .isEqualTo(2);
            assertThat(err).contains("Usage: forrest image").doesNotContain("Exception");
        }
    }

    @Test
    public void withoutAConfigurationThatIsSaid() {
        config = directory.resolve("missing.yaml");
        assertThat(image("ls")).isEqualTo(1);
        assertThat(err).contains("missing.yaml", "does not exist");
    }

    @Test
    public void anImportThatIsKilledLeavesNothingThatCountsAndTheNextOneCleansUp() throws Exception {
        Gate halfWay = new Gate();
        server.createContext("/image", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(200, CONTENT.length);
                exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
                exchange.getResponseBody().flush();
                halfWay.pass();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        String address = "http://127.0.0.1:" + server.getAddress().getPort() + "/image";
        promote((byte) 1);
        for (boolean kill : new boolean[] {true, false}) {
            try (LauncherProcess importing = new LauncherProcess(
                    directory,
                    Map.of(),
                    "image",
                    "import",
                    "--config",
                    config.toString(),
                    TYPE,
                    address,
                    "--sha256",
                    sha256())) {
                Eventually.holds("a half image", Duration.ofSeconds(60), () -> unfinished().stream()
                        .anyMatch(file -> file.toString().endsWith(".download")));
                if (kill) {
                    importing.kill();
                } else {
                    importing.terminate();
                }
                assertThat(importing.exitCode()).isNotZero();
            }
            assertThat(machineImage()).containsExactly(1);
            assertThat(json("history", TYPE)).hasSize(1);
            assertThat(unfinished().isEmpty()).isEqualTo(!kill);
            assertDone("import", "acme/firmware/base", source().toString());
            assertThat(unfinished()).isEmpty();
        }
        halfWay.open();
    }

    private List<Path> unfinished() throws IOException {
        try (Stream<Path> files = Files.list(base.resolve("machines/acme/firmware"))) {
            return files.filter(file -> file.getFileName().toString().startsWith(".unfinished-"))
                    .toList();
        }
    }
}
