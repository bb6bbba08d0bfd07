package io.forrest.launcher.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.ForrestConfig;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.github.WebhookReceiver;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class ApiServerTest {
    private static final byte[] JOB =
            """
            {"action": "queued",
             "repository": {"full_name": "acme/firmware"},
             "workflow_job": {"id": 4711, "run_id": 8, "status": "queued", "runner_name": null,
                              "labels": ["self-hosted", "forrest", "build"]}}
            """
                    .getBytes(StandardCharsets.UTF_8);

    private final BlockingQueue<JobObservation> observed = new LinkedBlockingQueue<>();
    private String secret;
    private Path directory;
    private Path socket;
    private WebhookReceiver webhooks;
    private ApiServer server;

    @BeforeMethod
    public void startServer() throws IOException {
        directory = Files.createTempDirectory("api");
        socket = directory.resolve("api.sock");
        ForrestConfig config = TestConfigs.config(directory, "8G", TestConfigs.type("build", "1G"));
        secret = config.github().webhookSecret().reveal();
        webhooks = new WebhookReceiver(config.github(), () -> config, Clock.systemUTC());
        observed.clear();
        webhooks.start(observed::add);
        server = newServer();
        server.start();
    }

    private ApiServer newServer() {
        return new ApiServer(
                socket,
                ApiServer.Clients.EVERYBODY,
                Optional.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)),
                new ApiRoutes(webhooks));
    }

    @AfterMethod(alwaysRun = true)
    public void stopServer() {
        server.close();
    }

    private SocketAddress unix() {
        return UnixDomainSocketAddress.of(socket);
    }

    private SocketAddress tcp() {
        return new InetSocketAddress(
                InetAddress.getLoopbackAddress(), server.port().orElseThrow());
    }

    private JobObservation next() throws InterruptedException {
        return Optional.ofNullable(observed.poll(10, TimeUnit.SECONDS)).orElseThrow();
    }

    @Test
    public void aSignedWebhookIsTakenOnTheSocketAndOnThePort() throws Exception {
        for (SocketAddress address : List.of(unix(), tcp())) {
            String answer = RawHttp.exchange(address, RawHttp.webhookHead(secret, JOB), JOB);
            assertThat(RawHttp.status(answer)).isEqualTo(200);
            JobObservation job = next();
            assertThat(job.job().value()).isEqualTo(4711);
            assertThat(job.status()).isEqualTo(JobStatus.QUEUED);
        }
    }

    @Test
    public void everybodyOnTheHostMayUseTheSocket() throws Exception {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rwxrwxrwx");
    }

    @Test
    public void theOwnersSocketIsForNobodyElse() throws Exception {
        server.close();
        server = new ApiServer(socket, ApiServer.Clients.OWNER, Optional.empty(), new ApiRoutes(webhooks));
        server.start();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
        RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB);
        next();
    }

    @Test
    public void besideTheSocketNothingIsLeftNotEvenWhatAKilledForrestLeft() throws Exception {
        server.close();
        Path nursery = Files.createDirectory(directory.resolve(".sock"));
        try (ServerSocketChannel killed = ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(nursery.resolve("s")));
        }
        server = newServer();
        server.start();
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(socket);
        }
        server.close();
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    public void aSocketWithTheLongestPathIsListenedOn() throws Exception {
        server.close();
        int room = 106 - directory.toString().length() - "//api.sock".length();
        socket = Files.createDirectory(directory.resolve("x".repeat(room))).resolve("api.sock");
        server = newServer();
        server.start();
        RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB);
        next();
    }

    @DataProvider
    public Object[][] rudeRequests() {
        return new Object[][] {
            {"GET /webhook HTTP/1.1\r\nHost: f", 405},
            {"PUT /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 405},
            {"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 404},
            {"POST /webhook/x HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 404},
            {"POST /artifact/a/b HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 404},
            {"POST /webhook HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked", 411},
            {"POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 26214401", 413},
            {"POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 99999999999", 413},
            {"POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 400},
            {"POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: x", 400},
            {"POST /%2e%2e/webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 0", 400},
            {"complete nonsense", 505},
        };
    }

    @Test(dataProvider = "rudeRequests")
    public void aRequestThatIsNoWebhookIsRefusedAndTheNextOneIsTaken(String head, int status) throws Exception {
        assertThat(RawHttp.status(RawHttp.exchange(unix(), head, new byte[0]))).isEqualTo(status);
        assertThat(observed).isEmpty();
        RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB);
        next();
    }

    @Test
    public void aBodyOfAWrongSignatureIsRefused() throws Exception {
        String head = RawHttp.webhookHead("another secret", JOB);
        assertThat(RawHttp.exchange(tcp(), head, JOB)).contains("wrong signature");
        assertThat(observed).isEmpty();
    }

    @Test
    public void theLargestWebhookOfGitHubsIsTaken() throws Exception {
        byte[] large = new byte[ApiRoutes.MOST_WEBHOOK_BYTES];
        java.util.Arrays.fill(large, (byte) ' ');
        System.arraycopy(JOB, 0, large, 0, JOB.length);
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), RawHttp.webhookHead(secret, large), large)))
                .isEqualTo(200);
        next();
    }

    @Test
    public void slowSendersHoldUpNobodyAndTakeNoMoreThanTheirShareOfMemory() throws Exception {
        List<SocketChannel> slow = new ArrayList<>();
        try {
            // More than there are threads; none of them ever sends its body.
            for (int i = 0; i < 40; i++) {
                SocketChannel channel = SocketChannel.open(tcp());
                slow.add(channel);
                RawHttp.write(
                        channel,
                        "POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 100000\r\n\r\n"
                                .getBytes(StandardCharsets.US_ASCII));
            }
            RawHttp.exchange(tcp(), RawHttp.webhookHead(secret, JOB), JOB);
            next();
            // Their share is taken by two that announce as much as is allowed.
            for (int i = 0; i < 2; i++) {
                SocketChannel channel = SocketChannel.open(tcp());
                slow.add(channel);
                RawHttp.write(
                        channel,
                        "POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 25000000\r\nExpect: 100-continue\r\n\r\n"
                                .getBytes(StandardCharsets.US_ASCII));
                // Which is known to be let in when it is asked for its body.
                ByteBuffer answer = ByteBuffer.allocate(21);
                while (answer.hasRemaining() && channel.read(answer) >= 0) {
                    Thread.onSpinWait();
                }
                assertThat(new String(answer.array(), StandardCharsets.US_ASCII))
                        .isEqualTo("HTTP/1.1 100 Continue");
            }
            String head = "POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: 25000000";
            assertThat(RawHttp.status(RawHttp.exchange(tcp(), head, new byte[0])))
                    .isEqualTo(503);
            // Which keeps out nobody who sends a webhook of the size that those of jobs have.
            assertThat(RawHttp.status(RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB)))
                    .isEqualTo(200);
        } finally {
            for (SocketChannel channel : slow) {
                channel.close();
            }
        }
        // What was announced and never came is given back.
        byte[] large = new byte[20 << 20];
        assertThat(RawHttp.status(RawHttp.exchange(tcp(), RawHttp.webhookHead(secret, large), large)))
                .isEqualTo(400);
    }

    @Test
    public void whoeverUsesUpTheConnectionsOfThePortLeavesThoseOfTheSocket() throws Exception {
        List<SocketChannel> idle = new ArrayList<>();
        try {
            for (int i = 0; i < 300; i++) {
                idle.add(SocketChannel.open(tcp()));
            }
            assertThat(RawHttp.status(RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB)))
                    .isEqualTo(200);
        } finally {
            for (SocketChannel channel : idle) {
                channel.close();
            }
        }
    }

    @Test
    public void aSocketThatAKilledForrestLeftIsReplaced() throws Exception {
        server.close();
        try (ServerSocketChannel killed = ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(socket));
        }
        assertThat(socket).exists();
        server = newServer();
        server.start();
        RawHttp.exchange(unix(), RawHttp.webhookHead(secret, JOB), JOB);
        next();
    }

    @Test
    public void aSocketOnWhichSomebodyListensIsLeftAlone() throws Exception {
        server.close();
        try (ServerSocketChannel other = ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(socket));
            server = newServer();
            assertThatThrownBy(server::start)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(socket.toString())
                    .hasMessageContaining("another program");
            server.close();
            assertThat(socket).exists();
        }
        Files.delete(socket);
    }

    @Test
    public void aPortThatIsTakenIsNamedAndNoSocketIsLeft() throws Exception {
        server.close();
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            server = new ApiServer(
                    socket,
                    ApiServer.Clients.EVERYBODY,
                    Optional.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), taken.getLocalPort())),
                    new ApiRoutes(webhooks));
            assertThatThrownBy(server::start).hasMessageContaining(":" + taken.getLocalPort());
            assertThat(socket).doesNotExist();
        }
    }

    @Test
    public void aPathThatIsTooLongForASocketIsRefusedWithTheWayOut() {
        server.close();
        Path far = directory.resolve("x".repeat(120)).resolve("api.sock");
        server = new ApiServer(far, ApiServer.Clients.OWNER, Optional.empty(), new ApiRoutes(webhooks));
        assertThatThrownBy(server::start).hasMessageContainingAll(far.toString(), "shorter host.base_dir");
    }
}
