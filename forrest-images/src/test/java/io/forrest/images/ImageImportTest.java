package io.forrest.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.forrest.domain.MachineTypeId;
import io.forrest.spi.PluginException;
import io.forrest.testing.Gate;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** On whatever file system the host has for temporary files; what needs clones is elsewhere. */
public class ImageImportTest {
    private static final MachineTypeId TYPE = TestConfigs.typeId("build");
    private static final byte[] CONTENT = content();

    private Path directory;
    private Path base;
    private HttpServer server;
    private ExecutorService threads;
    private List<String> progress;

    @BeforeMethod
    public void start() throws IOException {
        directory = Files.createTempDirectory("import");
        base = directory.resolve("base");
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        threads = Executors.newCachedThreadPool();
        server.setExecutor(threads);
        server.start();
        progress = new ArrayList<>();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        server.stop(0);
        threads.shutdownNow();
    }

    private static byte[] content() {
        byte[] content = new byte[5_000_000];
        new Random(1).nextBytes(content);
        content[510] = 0x55;
        content[511] = (byte) 0xAA;
        return content;
    }

    private static String sha256(byte[] of) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(of));
    }

    /** What is published, read before it is gone. */
    private byte[] run(String source, Optional<String> sha256) throws Exception {
        try (ImageImport images = newImport()) {
            return images.fetch(ImageSource.parse(source), sha256, Files::readAllBytes);
        }
    }

    private ImageCatalog catalog() {
        return new ImageCatalog(base, Clock.systemUTC());
    }

    private ImageImport newImport() {
        return new ImageImport(
                catalog(),
                TYPE,
                (step, done, total) -> progress.add(step + " " + done + " " + total),
                Duration.ofSeconds(2));
    }

    private void assertRefused(PluginException.Kind kind, String source, Optional<String> sha256, String... words)
            throws IOException {
        assertThatThrownBy(() -> run(source, sha256))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContainingAll(words)
                .message()
                .doesNotContain("\n");
        assertNothingIsLeft();
    }

    private void assertNothingIsLeft() throws IOException {
        if (Files.exists(base)) {
            try (Stream<Path> files = Files.walk(base)) {
                assertThat(files.filter(Files::isRegularFile)).isEmpty();
            }
        }
    }

    private interface Answer {
        void give(HttpExchange exchange) throws IOException, InterruptedException;
    }

    private String serve(String path, Answer answer) {
        server.createContext(path, exchange -> {
            try (exchange) {
                answer.give(exchange);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        return "http://127.0.0.1:" + server.getAddress().getPort() + path;
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    private Path file(byte[] content) throws IOException {
        return Files.write(directory.resolve("source.raw"), content);
    }

    @Test
    public void aRawFileIsCopied() throws Exception {
        Path source = file(CONTENT);
        byte[] imported = run(source.toString(), Optional.of(sha256(CONTENT)));
        assertThat(imported).isEqualTo(CONTENT);
        assertThat(source).exists();
        assertThat(progress).last().isEqualTo("CHECK 5000000 OptionalLong[5000000]");
        assertNothingIsLeft();
    }

    @Test
    public void whatAnAddressGivesIsWhatIsImported() throws Exception {
        String address = serve("/image", exchange -> send(exchange, CONTENT));
        assertThat(run(address, Optional.of(sha256(CONTENT)))).isEqualTo(CONTENT);
        assertThat(progress).last().isEqualTo("DOWNLOAD 5000000 OptionalLong[5000000]");
        assertNothingIsLeft();
    }

    @Test
    public void redirectionsAreFollowed() throws Exception {
        String target = serve("/image", exchange -> send(exchange, CONTENT));
        String address = serve("/latest", exchange -> {
            exchange.getResponseHeaders().add("Location", target);
            exchange.sendResponseHeaders(302, -1);
        });
        assertThat(run(address, Optional.of(sha256(CONTENT)))).isEqualTo(CONTENT);
    }

    @Test
    public void aLengthThatNobodyTellsDoesNotMatter() throws Exception {
        String address = serve("/image", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(CONTENT);
        });
        assertThat(run(address, Optional.of(sha256(CONTENT).toUpperCase(Locale.ROOT))))
                .isEqualTo(CONTENT);
        assertThat(progress).last().isEqualTo("DOWNLOAD 5000000 OptionalLong.empty");
    }

    @Test
    public void anotherChecksumIsRefused() throws Exception {
        String wrong = sha256(new byte[] {1});
        assertRefused(
                PluginException.Kind.REJECTED,
                serve("/image", exchange -> send(exchange, CONTENT)),
                Optional.of(wrong),
                wrong,
                sha256(CONTENT));
        assertRefused(
                PluginException.Kind.REJECTED, file(CONTENT).toString(), Optional.of(wrong), wrong, sha256(CONTENT));
    }

    @Test
    public void anAddressNeedsAChecksum() throws Exception {
        assertRefused(
                PluginException.Kind.REJECTED,
                serve("/image", exchange -> send(exchange, CONTENT)),
                Optional.empty(),
                "--sha256");
    }

    @Test
    public void aDownloadThatIsCutOffIsRefused() throws Exception {
        String address = serve("/image", exchange -> {
            exchange.sendResponseHeaders(200, CONTENT.length);
            exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
            exchange.getResponseBody().flush();
        });
        assertRefused(PluginException.Kind.RETRY_LATER, address, Optional.of(sha256(CONTENT)), "127.0.0.1", "/image");
    }

    @Test
    public void aServerThatGoesSilentIsGivenUp() throws Exception {
        Gate gate = new Gate();
        String address = serve("/image", exchange -> {
            exchange.sendResponseHeaders(200, CONTENT.length);
            exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
            exchange.getResponseBody().flush();
            gate.pass();
        });
        String mute = serve("/mute", exchange -> gate.pass());
        assertRefused(
                PluginException.Kind.RETRY_LATER, address, Optional.of(sha256(CONTENT)), "has sent nothing for 2 s");
        assertRefused(PluginException.Kind.RETRY_LATER, mute, Optional.of(sha256(CONTENT)), "has sent nothing for 2 s");
        gate.open();
    }

    @Test
    public void aServersRefusalIsPassedOn() throws Exception {
        Optional<String> sum = Optional.of(sha256(CONTENT));
        assertRefused(PluginException.Kind.REJECTED, serve("/gone?key=secret", e -> {}), sum, "/gone", "404");
        assertRefused(
                PluginException.Kind.RETRY_LATER,
                serve("/busy", exchange -> exchange.sendResponseHeaders(503, -1)),
                sum,
                "/busy",
                "503");
    }

    @Test
    public void aServerThatIsNotThereIsNamed() throws Exception {
        int port = server.getAddress().getPort();
        server.stop(0);
        assertRefused(
                PluginException.Kind.RETRY_LATER,
                "http://127.0.0.1:" + port + "/image",
                Optional.of(sha256(CONTENT)),
                "127.0.0.1:" + port,
                "cannot be reached");
    }

    @Test
    public void whatIsNoImageIsRefused() throws Exception {
        assertRefused(PluginException.Kind.REJECTED, directory.resolve("none").toString(), Optional.empty(), "none");
        assertRefused(PluginException.Kind.REJECTED, directory.toString(), Optional.empty(), "not a plain file");
        assertRefused(PluginException.Kind.REJECTED, file(new byte[0]).toString(), Optional.empty(), "empty");
        byte[] xz = {(byte) 0xFD, '7', 'z', 'X', 'Z', 0, 1, 2, 3, 4};
        assertRefused(PluginException.Kind.REJECTED, file(xz).toString(), Optional.empty(), "unxz");
    }

    private static void qemuImg(Path in, String... arguments) throws Exception {
        List<String> line =
                new ArrayList<>(List.of(HostNeeds.program("qemu-img").toString()));
        line.addAll(List.of(arguments));
        Process process = new ProcessBuilder(line)
                .directory(in.toFile())
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
    }

    @Test(groups = "qemu")
    public void aQcow2FileIsConvertedWhateverItIsCalled() throws Exception {
        file(CONTENT);
        qemuImg(directory, "convert", "-c", "-f", "raw", "-O", "qcow2", "source.raw", "image.raw");
        byte[] qcow2 = Files.readAllBytes(directory.resolve("image.raw"));
        byte[] disk = run(directory.resolve("image.raw").toString(), Optional.of(sha256(qcow2)));
        assertThat(disk).startsWith(CONTENT);
        assertThat(progress).last().asString().startsWith("CONVERT 5000192 ");

        String address = serve("/image", exchange -> send(exchange, qcow2));
        assertThat(run(address, Optional.of(sha256(qcow2)))).isEqualTo(disk);
        assertNothingIsLeft();
    }

    @Test(groups = "qemu")
    public void aQcow2FileThatLeadsToOthersIsRefused() throws Exception {
        file(CONTENT);
        qemuImg(directory, "create", "-f", "qcow2", "-F", "raw", "-b", "source.raw", "backed");
        assertRefused(
                PluginException.Kind.REJECTED,
                directory.resolve("backed").toString(),
                Optional.empty(),
                "backing file");
        qemuImg(directory, "create", "-f", "qcow2", "-o", "data_file=data,data_file_raw=on", "outside", "1M");
        assertRefused(
                PluginException.Kind.REJECTED,
                directory.resolve("outside").toString(),
                Optional.empty(),
                "another file");
    }

    @Test(groups = "qemu")
    public void aDamagedQcow2FileIsRefusedWithQemusWords() throws Exception {
        file(CONTENT);
        qemuImg(directory, "convert", "-f", "raw", "-O", "qcow2", "source.raw", "image");
        byte[] damaged = Files.readAllBytes(directory.resolve("image"));
        damaged[46] = 0x7f;
        Path file = file(damaged);
        assertRefused(PluginException.Kind.BROKEN, file.toString(), Optional.empty(), file.toString(), "L1");
        assertRefused(
                PluginException.Kind.BROKEN,
                file(new byte[] {'Q', 'F', 'I', (byte) 0xFB}).toString(),
                Optional.empty(),
                "header");
    }

    @Test
    public void anImportThatIsClosedLeavesNothing() throws Exception {
        Gate gate = new Gate();
        CompletableFuture<Void> halfWay = new CompletableFuture<>();
        String address = serve("/image", exchange -> {
            exchange.sendResponseHeaders(200, CONTENT.length);
            exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
            exchange.getResponseBody().flush();
            gate.pass();
        });
        String sum = sha256(CONTENT);
        ImageImport images = new ImageImport(
                catalog(),
                TYPE,
                (step, done, total) -> {
                    if (done == CONTENT.length / 2) {
                        halfWay.complete(null);
                    }
                },
                Duration.ofSeconds(20));
        CompletableFuture<Void> running = CompletableFuture.runAsync(
                () -> assertThatThrownBy(
                                () -> images.fetch(ImageSource.parse(address), Optional.of(sum), Files::readAllBytes))
                        .isInstanceOf(PluginException.class),
                threads);
        halfWay.get(20, TimeUnit.SECONDS);
        images.close();
        assertNothingIsLeft();
        gate.open();
        running.get(20, TimeUnit.SECONDS);
        assertNothingIsLeft();
    }

    @Test
    public void whatAKilledImportLeftIsRemovedByTheNextAndARunningOnesIsNot() throws Exception {
        Path place = new ImagePaths(base).image(TYPE).getParent();
        Files.createDirectories(place);
        for (String name : List.of(".unfinished-0123.lock", ".unfinished-0123.download", ".unfinished-0123.img")) {
            Files.write(place.resolve(name), new byte[] {1});
        }
        Files.write(place.resolve("build.img"), new byte[] {1});
        try (UnfinishedFiles running = UnfinishedFiles.in(place)) {
            Files.write(running.download(), new byte[] {1});
            run(file(CONTENT).toString(), Optional.empty());
            assertThat(running.download()).exists();
        }
        try (Stream<Path> files = Files.list(place)) {
            assertThat(files).containsExactly(place.resolve("build.img"));
        }
    }

    @Test(groups = "loop")
    public void withoutRoomItSaysSoBeforeOrAfterwardsAndLeavesNothing() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            base = fileSystem.directory();
            byte[] piece = new byte[1 << 20];
            new Random(2).nextBytes(piece);
            long tooMuch = 500L << 20;
            String sum = sha256(CONTENT);
            assertRefused(
                    PluginException.Kind.RETRY_LATER,
                    serve("/known", exchange -> exchange.sendResponseHeaders(200, tooMuch)),
                    Optional.of(sum),
                    "500M",
                    base.toString());
            assertThat(progress).isEmpty();
            String unknown = serve("/unknown", exchange -> {
                exchange.sendResponseHeaders(200, 0);
                for (int i = 0; i < 500; i++) {
                    exchange.getResponseBody().write(piece);
                }
            });
            assertRefused(
                    PluginException.Kind.RETRY_LATER, unknown, Optional.of(sum), "No space left", base.toString());
        }
    }

    @Test(groups = "loop")
    public void aRawFileOnTheSameFileSystemIsClonedAndOneOfAnotherIsCopiedWithItsHoles() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs");
                LoopFileSystem elsewhere = LoopFileSystem.mount("xfs")) {
            base = fileSystem.directory();
            Path near = fileSystem.directory().resolve("near");
            Files.write(near, CONTENT);
            Path far = elsewhere.directory().resolve("far");
            Files.write(far, CONTENT);
            try (RandomAccessFile file = new RandomAccessFile(far.toFile(), "rw")) {
                file.setLength(10L << 30);
            }
            assertThat(run(near.toString(), Optional.empty())).isEqualTo(CONTENT);
            assertThat(progress).isEmpty();
            try (ImageImport images = newImport()) {
                assertThat(images.<Boolean>fetch(
                                ImageSource.parse(far.toString()),
                                Optional.empty(),
                                raw -> SparseCopier.same(raw, far)))
                        .isTrue();
            }
            assertThat(progress).last().isEqualTo("COPY 10737418240 OptionalLong[10737418240]");
        }
    }

    @Test(groups = "loop")
    public void whatWasImportedIsTheMachineImageAndSaysWhereItComesFrom() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            base = fileSystem.directory();
            String address = serve("/image", exchange -> send(exchange, CONTENT));
            try (ImageImport images = newImport()) {
                ImageImport.Imported imported = images.run(ImageSource.parse(address), Optional.of(sha256(CONTENT)));
                assertThat(imported.warnings()).isEmpty();
                assertThat(imported.generation().current()).isTrue();
                assertThat(imported.generation().source()).isEqualTo("imported from " + address);
            }
            assertThat(catalog().image(TYPE)).hasBinaryContent(CONTENT);
            try (ImageImport images = newImport()) {
                Path odd = file(new byte[1000]);
                ImageImport.Imported imported = images.run(ImageSource.parse(odd.toString()), Optional.empty());
                assertThat(imported.generation().id().number()).isEqualTo(2);
                assertThat(imported.warnings()).singleElement().asString().contains("boot");
            }
            try (Stream<Path> files = Files.list(catalog().image(TYPE).getParent())) {
                assertThat(files.map(file -> file.getFileName().toString()))
                        .containsExactlyInAnyOrder("build.img", "build.generations");
            }
        }
    }

    @Test
    public void aSourceIsAPathOrAnAddressOfHttp() {
        assertThat(ImageSource.parse("http:image").file()).isPresent();
        assertThat(ImageSource.parse("https://user:secret@example.org/a?sig=secret"))
                .hasToString("https://example.org/a");
        assertThatThrownBy(() -> ImageSource.parse("ftp://example.org/a")).hasMessageContaining("http");
        assertThatThrownBy(() -> ImageSource.parse("http:///a")).hasMessageContaining("host");
        assertThatThrownBy(() -> ImageSource.parse("http://example.org/a b")).hasMessageContaining("not an address");
    }
}
