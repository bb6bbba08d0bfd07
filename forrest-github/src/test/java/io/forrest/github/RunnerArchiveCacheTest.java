package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.Secret;
import io.forrest.download.Download;
import io.forrest.github.embedded.RunnerOffer;
import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import io.forrest.testing.ManualClock;
import io.forrest.testing.RunnerArchivesContract;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.testng.annotations.AfterClass;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class RunnerArchiveCacheTest extends RunnerArchivesContract {
    private static final long PATIENCE_SECONDS = 60;
    private static final long MOST_BYTES = 1 << 20;
    private static final byte[] CONTENT = archive("what the server sends");

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private ManualClock clock;
    private Rig rig;
    private Path base;
    private HttpServer server;
    private RunnerArchiveCache cache;

    private interface Answer {
        void give(HttpExchange exchange) throws IOException;
    }

    @Override
    protected void openForge() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        base = Files.createTempDirectory("runners");
    }

    @Override
    protected void closeForge() throws Exception {
        rig.close();
    }

    @Override
    protected RunnerArchives archives() throws Exception {
        MachineType plain = TestConfigs.type("build", "1G");
        return archives(
                TestConfigs.withRunnerFromHost(plain), TestConfigs.withRunnerFromHost(TestConfigs.type("test", "1G")));
    }

    private RunnerArchiveCache archives(MachineType... types) throws Exception {
        ForrestConfig github = rig.whole(rig.config());
        ForrestConfig config = new ForrestConfig(
                github.host(),
                github.github(),
                Map.of(
                        Rig.FIRMWARE,
                        new RepositoryConfig(
                                Optional.of(Secret.of("token")),
                                TestConfigs.config(base, "8G", types)
                                        .repositories()
                                        .get(TestConfigs.REPOSITORY)
                                        .machines())));
        return new RunnerArchiveCache(
                rig.connection(),
                () -> config,
                base,
                clock,
                new Download(Duration.ofSeconds(2), Duration.ofSeconds(20), MOST_BYTES),
                new Random(1));
    }

    @Override
    protected void publish(String version, byte[] archive) {
        rig.github.publishRunner(version, archive);
    }

    @Override
    protected void breakDown() {
        rig.github.goDown();
    }

    @Override
    protected void passTime() {
        clock.advance(Duration.ofHours(6));
    }

    @BeforeMethod
    public void startServer() throws Exception {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.setExecutor(threads);
        server.start();
        cache = (RunnerArchiveCache) archives();
    }

    @AfterMethod(alwaysRun = true)
    public void stopServer() {
        cache.close();
        server.stop(0);
    }

    @AfterClass(alwaysRun = true)
    public void endThreads() {
        threads.shutdownNow();
    }

    private static String sha256(byte[] of) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(of));
    }

    /** GitHub says that the newest runner is what this server sends, and tells its checksum. */
    private void offer(String version, Optional<String> sha256, Answer answer) {
        String path = "/" + version;
        server.createContext(path, exchange -> {
            try (exchange) {
                answer.give(exchange);
            }
        });
        rig.github.offerRunner(new RunnerOffer(
                "actions-runner-linux-x64-" + version + ".tar.gz",
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path),
                sha256,
                Optional.empty()));
    }

    private List<String> files() throws IOException {
        Path directory = base.resolve("runners");
        if (!Files.exists(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static String version(Optional<RunnerArchive> archive) {
        return archive.map(RunnerArchive::version).orElse("none");
    }

    /** Waits for what comes in the background. */
    private void awaitFile(String version) {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (cache.newest()
                .filter(archive ->
                        archive.version().equals(version) && archive.file().isPresent())
                .isEmpty()) {
            assertThat(System.nanoTime() - deadlineNanos).isNegative();
            Thread.onSpinWait();
        }
    }

    @DataProvider
    public Object[][] hostile() {
        Answer wrong = exchange -> send(exchange, archive("something else"));
        Answer cutOff = exchange -> {
            exchange.sendResponseHeaders(200, CONTENT.length);
            exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
        };
        Answer shorter = exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(CONTENT, 0, CONTENT.length / 2);
        };
        Answer endless = exchange -> {
            exchange.sendResponseHeaders(200, 0);
            while (true) {
                exchange.getResponseBody().write(new byte[1 << 16]);
            }
        };
        Answer loop = exchange -> {
            exchange.getResponseHeaders()
                    .set("Location", exchange.getRequestURI().toString());
            exchange.sendResponseHeaders(302, -1);
        };
        Answer refusal = exchange -> exchange.sendResponseHeaders(404, -1);
        return new Object[][] {
            {"wrong", wrong},
            {"cut off", cutOff},
            {"shorter", shorter},
            {"endless", endless},
            {"loop", loop},
            {"404", refusal}
        };
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    @Test(dataProvider = "hostile")
    public void aDownloadThatIsNotWhatGitHubToldIsNeverGivenToAGuest(String name, Answer answer) throws Exception {
        offer("2.331.0", Optional.of(sha256(CONTENT)), answer);
        cache.start();
        // Guests may have more luck.
        assertThat(cache.newest()).contains(new RunnerArchive("2.331.0", sha256(CONTENT), Optional.empty()));
        assertThat(files()).as(name).isEmpty();
    }

    @Test(dataProvider = "hostile")
    public void theOneThatIsHereIsGivenWhileTheNextCannotBeHad(String name, Answer answer) throws Exception {
        publish("2.330.0", archive("first"));
        cache.start();
        awaitFile("2.330.0");
        CountDownLatch asked = new CountDownLatch(1);
        offer("2.331.0", Optional.of(sha256(CONTENT)), exchange -> {
            asked.countDown();
            answer.give(exchange);
        });
        passTime();
        assertThat(version(cache.newest())).isEqualTo("2.330.0");
        assertThat(asked.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        // Waits for the thread that asks.
        cache.close();
        assertThat(version(cache.newest())).as(name).isEqualTo("2.330.0");
        assertThat(cache.newest().orElseThrow().file().orElseThrow()).hasBinaryContent(archive("first"));
        assertThat(files()).hasSize(2);
    }

    @Test
    public void anArchiveThatIsNotPublicIsFetchedWithTheTokenThatGitHubGives() throws Exception {
        server.createContext("/private", exchange -> {
            try (exchange) {
                if ("Bearer short-lived".equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
                    send(exchange, CONTENT);
                } else {
                    exchange.sendResponseHeaders(401, -1);
                }
            }
        });
        rig.github.offerRunner(new RunnerOffer(
                "actions-runner-linux-x64-2.331.0.tar.gz",
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/private"),
                Optional.of(sha256(CONTENT)),
                Optional.of("short-lived")));
        cache.start();
        assertThat(cache.newest().flatMap(RunnerArchive::file).orElseThrow()).hasBinaryContent(CONTENT);
    }

    @Test
    public void aDownloadThatFailedIsTriedAgainAndSucceeds() throws Exception {
        offer("2.331.0", Optional.of(sha256(CONTENT)), exchange -> exchange.sendResponseHeaders(503, -1));
        cache.start();
        assertThat(cache.newest().flatMap(RunnerArchive::file)).isEmpty();
        server.removeContext("/2.331.0");
        offer("2.331.0", Optional.of(sha256(CONTENT)), exchange -> send(exchange, CONTENT));
        clock.advance(Duration.ofMinutes(1));
        awaitFile("2.331.0");
    }

    @DataProvider
    public Object[][] unusable() throws Exception {
        String good = "actions-runner-linux-x64-2.331.0.tar.gz";
        return new Object[][] {
            {good, "https://example.com/r", ""},
            {good, "https://example.com/r", "0123"},
            {good, "file:///etc/passwd", sha256(CONTENT)},
            {"actions-runner-linux-x64-1/../../x.tar.gz", "https://example.com/r", sha256(CONTENT)},
            {"actions-runner-linux-x64-1'$(reboot).tar.gz", "https://example.com/r", sha256(CONTENT)},
            {"runner.tar.gz", "https://example.com/r", sha256(CONTENT)},
        };
    }

    @Test(dataProvider = "unusable")
    public void whatHasNoChecksumOrNoUsableNameIsLeftAlone(String fileName, String address, String sha256)
            throws Exception {
        rig.github.offerRunner(new RunnerOffer(
                fileName, URI.create(address), Optional.of(sha256).filter(sum -> !sum.isEmpty()), Optional.empty()));
        cache.start();
        assertThat(cache.newest()).isEmpty();
        assertThat(files()).isEmpty();
    }

    @Test
    public void whoeverStartsWhileItIsFetchedWaitsForTheOneDownload() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        offer("2.331.0", Optional.of(sha256(CONTENT)), exchange -> {
            try {
                gate.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            send(exchange, CONTENT);
        });
        cache.start();
        List<CompletableFuture<Optional<RunnerArchive>>> starts = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            starts.add(CompletableFuture.supplyAsync(cache::newest, threads));
        }
        gate.countDown();
        for (CompletableFuture<Optional<RunnerArchive>> start : starts) {
            assertThat(start.get(PATIENCE_SECONDS, TimeUnit.SECONDS).flatMap(RunnerArchive::file))
                    .isPresent();
        }
        assertThat(rig.requests("/actions/runners/downloads")).hasSize(1);
    }

    @Test
    public void itIsDownloadedOnceHoweverManyStartAndFindItLater() throws Exception {
        publish("2.330.0", archive("first"));
        cache.start();
        for (int i = 0; i < 3; i++) {
            awaitFile("2.330.0");
            passTime();
        }
        cache.close();
        cache = (RunnerArchiveCache) archives();
        cache.start();
        awaitFile("2.330.0");
        cache.close();
        assertThat(rig.github.runnerDownloads()).isEqualTo(1);
    }

    @Test
    public void inAnOutageWithNothingHereAStartDoesNotWait() throws Exception {
        publish("2.330.0", archive("first"));
        breakDown();
        cache.start();
        assertThat(CompletableFuture.supplyAsync(cache::newest, threads).get(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .isEmpty();
        rig.github.comeUp();
        clock.advance(Duration.ofMinutes(1));
        awaitFile("2.330.0");
    }

    @Test
    public void anArchiveThatIsDamagedOnTheDiskIsFetchedAnew() throws Exception {
        publish("2.330.0", archive("first"));
        cache.start();
        awaitFile("2.330.0");
        cache.close();
        Path file = cache.newest().orElseThrow().file().orElseThrow();
        Files.write(file, archive("fir5t"));
        Files.writeString(file.resolveSibling(file.getFileName() + ".unfinished"), "half a download");
        cache = (RunnerArchiveCache) archives();
        cache.start();
        awaitFile("2.330.0");
        assertThat(file).hasBinaryContent(archive("first"));
        assertThat(files()).hasSize(2);
    }

    @Test
    public void anArchiveThatSomebodyRemovesIsFetchedAnew() throws Exception {
        publish("2.330.0", archive("first"));
        cache.start();
        awaitFile("2.330.0");
        Files.delete(cache.newest().orElseThrow().file().orElseThrow());
        awaitFile("2.330.0");
        assertThat(rig.github.runnerDownloads()).isEqualTo(2);
    }

    @Test
    public void theNewestTwoAreKeptAndTheNewestIsWhatGitHubCallsSo() throws Exception {
        publish("2.329.0", archive("2.329.0"));
        cache.start();
        awaitFile("2.329.0");
        for (String version : List.of("2.330.0", "2.331.0", "2.330.0")) {
            publish(version, archive(version));
            passTime();
            awaitFile(version);
        }
        // GitHub has taken one back: that was there still.
        assertThat(rig.github.runnerDownloads()).isEqualTo(3);
        cache.close();
        assertThat(files())
                .containsExactly(
                        "actions-runner-linux-x64-2.330.0.tar.gz",
                        "actions-runner-linux-x64-2.330.0.tar.gz.sha256",
                        "actions-runner-linux-x64-2.331.0.tar.gz",
                        "actions-runner-linux-x64-2.331.0.tar.gz.sha256");
        assertThat(base.resolve("runners/actions-runner-linux-x64-2.330.0.tar.gz.sha256"))
                .content(StandardCharsets.US_ASCII)
                .isEqualTo(sha256(archive("2.330.0")) + "  actions-runner-linux-x64-2.330.0.tar.gz\n");
        breakDown();
        cache = (RunnerArchiveCache) archives();
        cache.start();
        awaitFile("2.330.0");
    }

    @Test
    public void aVersionThatIsPublishedAnewTakesTheOldOnesPlace() throws Exception {
        publish("2.330.0", archive("first"));
        cache.start();
        awaitFile("2.330.0");
        publish("2.330.0", archive("corrected"));
        passTime();
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!cache.newest().orElseThrow().sha256().equals(sha256(archive("corrected")))) {
            assertThat(System.nanoTime() - deadlineNanos).isNegative();
            Thread.onSpinWait();
        }
        assertThat(cache.newest().orElseThrow().file().orElseThrow()).hasBinaryContent(archive("corrected"));
        assertThat(files()).hasSize(2);
    }

    @Test
    public void aMachineTypeThatLeavesTheRunnerToItsTemplateHasNobodyAskForOne() throws Exception {
        publish("2.330.0", archive("first"));
        try (RunnerArchiveCache idle = archives(TestConfigs.type("build", "1G"))) {
            idle.start();
            assertThat(idle.newest()).isEmpty();
        }
        assertThat(rig.requests("/actions/runners/downloads")).isEmpty();
    }
}
