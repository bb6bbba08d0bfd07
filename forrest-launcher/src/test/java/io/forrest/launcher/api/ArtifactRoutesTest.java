package io.forrest.launcher.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.artifacts.Artifacts;
import io.forrest.config.ForrestConfig;
import io.forrest.domain.JobObservation;
import io.forrest.github.WebhookReceiver;
import io.forrest.launcher.Eventually;
import io.forrest.testing.FakeUploader;
import io.forrest.testing.Gate;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What clients send, byte for byte, over raw sockets. */
public class ArtifactRoutesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String OLD = "the good old one";

    private final BlockingQueue<JobObservation> observed = new LinkedBlockingQueue<>();
    private Path directory;
    private FakeUploader machine;
    private Artifacts artifacts;
    private ForrestConfig config;
    private WebhookReceiver webhooks;
    private ApiServer server;

    @BeforeMethod
    public void startServer() throws IOException {
        directory = Files.createTempDirectory("api");
        machine = new FakeUploader(directory);
        artifacts = machine.artifacts();
        config = TestConfigs.config(directory, "8G", TestConfigs.type("build", "1G"));
        webhooks = new WebhookReceiver(config.github(), () -> config, Clock.systemUTC());
        webhooks.start(observed::add);
        start(Duration.ofSeconds(30));
    }

    private void start(Duration idleTimeout) throws IOException {
        server = new ApiServer(
                directory.resolve("api.sock"),
                ApiServer.Clients.EVERYBODY,
                Optional.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)),
                idleTimeout,
                new ArtifactRoutes(artifacts),
                new ApiRoutes(webhooks));
        server.start();
    }

    @AfterMethod(alwaysRun = true)
    public void stopServer() {
        server.close();
        artifacts.close();
    }

    private SocketAddress unix() {
        return UnixDomainSocketAddress.of(directory.resolve("api.sock"));
    }

    private SocketAddress tcp() {
        return new InetSocketAddress(
                InetAddress.getLoopbackAddress(), server.port().orElseThrow());
    }

    private static byte[] noise(int bytes) {
        byte[] noise = new byte[bytes];
        new Random(bytes).nextBytes(noise);
        return noise;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private String put(String target, byte[] body) throws IOException {
        return RawHttp.exchange(tcp(), Uploads.pythonHead(target, machine.runToken(), body.length), body);
    }

    @Test
    public void theNodeClientUploadsSeveralFilesInChunksOverOneConnection() throws Exception {
        byte[] large = noise(150_000);
        for (SocketAddress address : List.of(unix(), tcp())) {
            try (SocketChannel connection = SocketChannel.open(address)) {
                for (String name : List.of("first.bin", "sub/dir/second.bin", "first.bin")) {
                    RawHttp.write(
                            connection, bytes(Uploads.nodeHead("/artifact/artifact/" + name, machine.runToken())));
                    RawHttp.write(connection, Uploads.chunked(large));
                    String head = RawHttp.readHead(connection);
                    assertThat(head)
                            .startsWith("HTTP/1.1 201 ")
                            .contains("Content-Location: https://a.example/" + machine.machine() + "/" + name + "\r\n");
                    assertThat(machine.own().resolve(name)).hasBinaryContent(large);
                }
            }
        }
        assertThat(machine.files()).containsExactly("own/first.bin", "own/sub/dir/second.bin");
    }

    @Test
    public void thePythonClientUploadsWithALength() throws Exception {
        byte[] large = noise(300_000);
        for (SocketAddress address : List.of(unix(), tcp())) {
            String answer = RawHttp.exchange(
                    address,
                    Uploads.pythonHead("/artifact/artifact/build/a.bin", machine.runToken(), large.length),
                    large);
            assertThat(answer)
                    .startsWith("HTTP/1.1 201 ")
                    .contains("Content-Location: https://a.example/" + machine.machine() + "/build/a.bin\r\n");
            assertThat(machine.own().resolve("build/a.bin")).hasBinaryContent(large);
        }
    }

    @Test
    public void aStoreWithATokenTakesUploadsOfThoseWhoKnowIt() throws Exception {
        String both = machine.runToken() + " " + FakeUploader.EXTRA_TOKEN;
        assertThat(RawHttp.exchange(tcp(), Uploads.pythonHead("/artifact/releases/a", both, 1), bytes("x")))
                .startsWith("HTTP/1.1 201 ")
                .contains("Content-Location: https://a.example/releases/a\r\n");
        // A token that is not asked for does no harm.
        assertThat(RawHttp.status(
                        RawHttp.exchange(tcp(), Uploads.pythonHead("/artifact/artifact/a", both, 1), bytes("x"))))
                .isEqualTo(201);
        assertThat(machine.files()).containsExactly("own/a", "releases/a");
    }

    @DataProvider
    public Object[][] wrongRequests() {
        return new Object[][] {
            {"GET", "/artifact/artifact/a", "<run>", 405},
            {"POST", "/artifact/artifact/a", "<run>", 405},
            {"DELETE", "/artifact/artifact/a", "<run>", 405},
            {"PUT", "/artifact", "<run>", 400},
            {"PUT", "/artifact/", "<run>", 400},
            {"PUT", "/artifact/artifact", "<run>", 400},
            {"PUT", "/artifact/artifact/", "<run>", 400},
            {"PUT", "/artifact/artifact//", "<run>", 400},
            {"PUT", "/artifact/artifact/a?b", "<run>", 400},
            {"PUT", "/artifact/nowhere/a", "<run>", 404},
            {"PUT", "/artifact/releases/a", "<run>", 404},
            {"PUT", "/artifact/releases/a", "<run> wrong", 404},
            {"PUT", "/artifact/artifact/a", "wrong", 404},
            {"PUT", "/artifact/artifact/a", "", 404},
            {"PUT", "/artifacts/artifact/a", "<run>", 404},
        };
    }

    @Test(dataProvider = "wrongRequests")
    public void whatIsWrongIsAnsweredAsClientsKnowIt(String method, String target, String token, int status)
            throws Exception {
        String head = Uploads.pythonHead(target, token.replace("<run>", machine.runToken()), 1)
                .replaceFirst("PUT", method);
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), head, bytes("x")))).isEqualTo(status);
        assertThat(machine.files()).isEmpty();
    }

    @Test
    public void anUploadWithoutAuthorizationIsRefused() throws Exception {
        String head = "PUT /artifact/artifact/a HTTP/1.1\r\nHost: f\r\nContent-Length: 0";
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), head, new byte[0]))).isEqualTo(404);
        head += "\r\nAuthorization: Basic " + machine.runToken();
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), head, new byte[0]))).isEqualTo(404);
    }

    @DataProvider
    public Object[][] waysOut() {
        return new Object[][] {
            {".."},
            {"."},
            {"../x"},
            {"a/../../x"},
            {"a/./x"},
            {"%2e%2e/x"},
            {"%2E./x"},
            {".%2e/x"},
            {"%2e"},
            {"..%2fx"},
            {"a%2f..%2f..%2fx"},
            {"a%2fx"},
            {"%2fetc%2fx"},
            {"%252e%252e/x"},
            {"%252e%252e%252fx"},
            {"%25252e%25252e%25252fx"},
            {"..%5cx"},
            {"..\\x"},
            {"%5c..%5cx"},
            {"..;/x"},
            {"..;a=b/x"},
            {"a;..;b/x"},
            {"%2e%2e;/x"},
            {"x%00"},
            {"..%00/x"},
            {"x%0a"},
            {"%c0%ae%c0%ae/x"},
            {"%c0%af..%c0%afx"},
            {"%e0%80%ae%e0%80%ae/x"},
            {"%ff"},
            {"%u002e%u002e/x"},
            {"a" + "/a".repeat(100)},
            {"x".repeat(300)},
            {".forrest-upload-x"},
        };
    }

    @Test(dataProvider = "waysOut")
    public void noEncodingLeadsOutOfTheStore(String path) throws Exception {
        Files.createDirectories(machine.own());
        assertThat(RawHttp.status(put("/artifact/artifact/" + path, bytes("x"))))
                .isEqualTo(400);
        assertThat(machine.files()).isEmpty();
        assertThat(directory.resolve("x")).doesNotExist();
    }

    @DataProvider
    public Object[][] names() {
        return new Object[][] {
            {"a%20b", "a b"},
            {"100%25.txt", "100%.txt"},
            {"a%2520b", "a%20b"},
            {"gcc_4%3a12.deb", "gcc_4:12.deb"},
            {"caf%C3%A9", "café"},
            {"what%3f%23", "what?#"},
            {"dev\\x2dsda".replace("\\", "%5C"), "dev\\x2dsda"},
            {"a+b=c;d,e@f&g", "a+b=c;d,e@f&g"},
            {"...", "..."},
            {"/a//b/", "a/b"},
        };
    }

    /** Where the store's site, which decodes what is asked for, finds it. */
    @Test(dataProvider = "names")
    public void aFileIsCalledWhatItsAddressStandsForAndItsLocationEndsAsItWasSent(String sent, String name)
            throws Exception {
        assertThat(put("/artifact/artifact/" + sent, bytes("x")))
                .startsWith("HTTP/1.1 201 ")
                .contains("Content-Location: https://a.example/" + machine.machine() + "/" + sent + "\r\n");
        assertThat(machine.files()).containsExactly("own/" + name);
    }

    @Test
    public void anAddressWithASlashTooManyBeforeItIsUnderstood() throws Exception {
        assertThat(RawHttp.status(put("//artifact/artifact/a", bytes("x")))).isEqualTo(201);
        assertThat(RawHttp.status(put("http://10.0.2.2:8080/artifact/artifact/b", bytes("x"))))
                .isEqualTo(201);
        assertThat(machine.files()).containsExactly("own/a", "own/b");
    }

    @DataProvider
    public Object[][] halves() {
        return new Object[][] {{true}, {false}};
    }

    @Test(dataProvider = "halves")
    public void aBodyThatIsCutOffLeavesNothingAndTheEarlierArtifactAsItWas(boolean chunked) throws Exception {
        put("/artifact/artifact/a", bytes(OLD));
        int whole = 900_000;
        try (SocketChannel connection = SocketChannel.open(tcp())) {
            String target = "/artifact/artifact/a";
            RawHttp.write(
                    connection,
                    bytes(
                            chunked
                                    ? Uploads.nodeHead(target, machine.runToken())
                                    : Uploads.pythonHead(target, machine.runToken(), whole) + "\r\n\r\n"));
            byte[] body = chunked ? Uploads.chunked(noise(whole)) : noise(whole);
            RawHttp.write(connection, Arrays.copyOf(body, whole / 2));
            Eventually.holds("it comes in", PATIENCE, () -> machine.files().size() == 2);
        }
        Eventually.holds("it is gone", PATIENCE, () -> machine.files().size() == 1);
        assertThat(machine.own().resolve("a")).hasContent(OLD);
        // And its share is given back.
        assertThat(RawHttp.status(put("/artifact/artifact/b", noise(whole)))).isEqualTo(201);
    }

    @Test
    public void aChunkThatIsNoneBreaksTheUploadOff() throws Exception {
        put("/artifact/artifact/a", bytes(OLD));
        String answer = RawHttp.exchange(
                tcp(),
                Uploads.nodeHead("/artifact/artifact/a", machine.runToken()).strip(),
                bytes("5\r\nhello\r\nnonsense\r\n"));
        assertThat(answer.isEmpty() || RawHttp.status(answer) >= 400).as(answer).isTrue();
        Eventually.holds("it is gone", PATIENCE, () -> machine.files().size() == 1);
        assertThat(machine.own().resolve("a")).hasContent(OLD);
    }

    @Test
    public void moreThanTheQuotaIsRefusedWithTheReasonAlsoToAClientThatSendsItAllFirst() throws Exception {
        put("/artifact/artifact/a", bytes(OLD));
        byte[] tooMuch = noise(20 << 20);
        String target = "/artifact/artifact/a";
        assertThat(put(target, tooMuch)).startsWith("HTTP/1.1 500 ").contains("1M that a machine may upload");
        assertThat(RawHttp.exchange(
                        tcp(), Uploads.nodeHead(target, machine.runToken()).strip(), Uploads.chunked(tooMuch)))
                .startsWith("HTTP/1.1 500 ")
                .contains("1M that a machine may upload");
        assertThat(machine.own().resolve("a")).hasContent(OLD);
        assertThat(machine.files()).containsExactly("own/a");
        // Exactly what is left fits.
        byte[] rest = noise((int) FakeUploader.QUOTA - OLD.length());
        assertThat(RawHttp.status(put("/artifact/artifact/rest", rest))).isEqualTo(201);
    }

    @Test
    public void whoAsksBeforeHeSendsIsToldAtOnce() throws Exception {
        String target = "/artifact/artifact/a";
        String head = Uploads.pythonHead(target, machine.runToken(), 1 << 30) + "\r\nExpect: 100-continue";
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), head, new byte[0]))).isEqualTo(500);
        try (SocketChannel connection = SocketChannel.open(tcp())) {
            head = Uploads.pythonHead(target, machine.runToken(), 5) + "\r\nExpect: 100-continue\r\n\r\n";
            RawHttp.write(connection, bytes(head));
            assertThat(RawHttp.readHead(connection)).startsWith("HTTP/1.1 100 ");
            RawHttp.write(connection, bytes("hello"));
            assertThat(RawHttp.readHead(connection)).startsWith("HTTP/1.1 201 ");
        }
    }

    @Test
    public void anUploadThatStallsIsGivenUp() throws Exception {
        server.close();
        start(Duration.ofMillis(300));
        try (SocketChannel connection = SocketChannel.open(tcp())) {
            RawHttp.write(connection, bytes(Uploads.nodeHead("/artifact/artifact/a", machine.runToken()) + "5\r\nhel"));
            Eventually.holds("it comes in", PATIENCE, () -> machine.files().size() == 1);
            // Returns when the server has closed the connection.
            RawHttp.readAll(connection);
        }
        Eventually.holds("it is gone", PATIENCE, () -> machine.files().isEmpty());
    }

    /** The disk is slow, which is not the client's fault; a gate stands for the disk. */
    @Test
    public void whileTheDisksAreSlowNoUploadIsGivenUpAndWebhooksAreAnswered() throws Exception {
        server.close();
        start(Duration.ofSeconds(1));
        Gate disk = new Gate();
        machine.lives(() -> {
            // It is asked by whoever may begin, too: those are others.
            if (Thread.currentThread().getName().startsWith("forrest-artifact-")) {
                passUninterrupted(disk);
            }
            return true;
        });
        List<SocketChannel> slow = new ArrayList<>();
        try {
            for (int i = 0; i < 40; i++) {
                SocketChannel connection = SocketChannel.open(unix());
                slow.add(connection);
                RawHttp.write(
                        connection,
                        bytes(Uploads.pythonHead("/artifact/artifact/a", machine.runToken(), 1) + "\r\n\r\nx"));
            }
            disk.awaitEntered();
            byte[] job = Uploads.webhook();
            String secret = config.github().webhookSecret().reveal();
            for (int i = 0; i < 3; i++) {
                assertThat(RawHttp.status(RawHttp.exchange(unix(), RawHttp.webhookHead(secret, job), job)))
                        .isEqualTo(200);
            }
            assertThat(observed.poll(10, TimeUnit.SECONDS)).isNotNull();
            // Longer than the connections may be idle: one that says nothing at all is closed meanwhile.
            try (SocketChannel idle = SocketChannel.open(unix())) {
                RawHttp.readAll(idle);
            }
            disk.open();
            for (SocketChannel connection : slow) {
                assertThat(RawHttp.readHead(connection)).matches("(?s)HTTP/1.1 (201|503) .*");
            }
        } finally {
            disk.open();
            for (SocketChannel connection : slow) {
                connection.close();
            }
        }
        assertThat(machine.files()).containsExactly("own/a");
    }

    private static void passUninterrupted(Gate gate) {
        try {
            gate.pass();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    public void aMachineThatUploadsTooMuchAtTheSameTimeIsAskedToWait() throws Exception {
        List<SocketChannel> slow = new ArrayList<>();
        try {
            for (int i = 0; i < 16; i++) {
                SocketChannel connection = SocketChannel.open(tcp());
                slow.add(connection);
                RawHttp.write(
                        connection,
                        bytes(Uploads.nodeHead("/artifact/artifact/" + i, machine.runToken()) + "5\r\nhel"));
            }
            Eventually.holds("they come in", PATIENCE, () -> machine.files().size() == 16);
            assertThat(RawHttp.status(put("/artifact/artifact/more", bytes("x"))))
                    .isEqualTo(503);
        } finally {
            for (SocketChannel connection : slow) {
                connection.close();
            }
        }
        Eventually.holds("they are gone", PATIENCE, () -> machine.files().isEmpty());
        assertThat(RawHttp.status(put("/artifact/artifact/more", bytes("x")))).isEqualTo(201);
    }

    @Test
    public void theEndOfTheServerLeavesNothingHalf() throws Exception {
        try (SocketChannel connection = SocketChannel.open(tcp())) {
            RawHttp.write(connection, bytes(Uploads.nodeHead("/artifact/artifact/a", machine.runToken()) + "5\r\nhel"));
            Eventually.holds("it comes in", PATIENCE, () -> machine.files().size() == 1);
            server.close();
            artifacts.close();
            assertThat(machine.files()).isEmpty();
        }
    }
}
