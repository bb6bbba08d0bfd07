package io.forrest.launcher.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ForrestConfig;
import io.forrest.domain.JobObservation;
import io.forrest.github.WebhookReceiver;
import io.forrest.launcher.Eventually;
import io.forrest.testing.FakeUploader;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.MarkdownBlocks;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** A real nginx with the site of docs/nginx.md before the API's socket. */
@Test(groups = "nginx")
public class NginxTest {
    private final BlockingQueue<JobObservation> observed = new LinkedBlockingQueue<>();
    private ApiServer server;
    private FakeUploader machine;
    private Process nginx;
    private InetSocketAddress site;
    private String secret;
    private byte[] job;

    @BeforeClass
    public void start() throws Exception {
        Path program = HostNeeds.program("nginx");
        Path directory = Files.createTempDirectory("nginx");
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
        Path socket = directory.resolve("api.sock");
        ForrestConfig config = TestConfigs.config(directory, "8G", TestConfigs.type("build", "1G"));
        secret = config.github().webhookSecret().reveal();
        WebhookReceiver webhooks = new WebhookReceiver(config.github(), () -> config, Clock.systemUTC());
        webhooks.start(observed::add);
        machine = new FakeUploader(directory);
        server = new ApiServer(
                socket,
                ApiServer.Clients.EVERYBODY,
                Optional.empty(),
                new ArtifactRoutes(machine.artifacts()),
                new ApiRoutes(webhooks));
        server.start();
        job =
                """
                {"action": "queued", "repository": {"full_name": "acme/firmware"},
                 "workflow_job": {"id": 1, "run_id": 2, "status": "queued", "runner_name": null,
                                  "labels": ["self-hosted", "forrest", "build"]}}
                """
                        .getBytes(StandardCharsets.UTF_8);
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            site = new InetSocketAddress(InetAddress.getLoopbackAddress(), free.getLocalPort());
        }
        Path nginxConfig = directory.resolve("nginx.conf");
        Files.writeString(nginxConfig, configuration(directory, socket));
        nginx = new ProcessBuilder(
                        program.toString(), "-c", nginxConfig.toString(), "-p", directory.toString(), "-e", "stderr")
                .inheritIO()
                .start();
        Eventually.holds("nginx listens", Duration.ofSeconds(30), this::listens);
    }

    /** The locations of the documentation, and what the reference's users have, in the smallest server around them. */
    private String configuration(Path directory, Path socket) throws IOException {
        String locations = (documented("webhook") + documented("artifact")
                        + """
                        location /buffered/artifact {
                            proxy_pass http://unix:/var/lib/forrest/api.sock:/artifact;
                        }
                        """)
                .replace("/var/lib/forrest/api.sock", socket.toString());
        return """
                daemon off;
                pid %1$s/nginx.pid;
                %4$s
                events {}
                http {
                    access_log off;
                    client_body_temp_path %1$s/body;
                    proxy_temp_path %1$s/proxy;
                    fastcgi_temp_path %1$s/fastcgi;
                    uwsgi_temp_path %1$s/uwsgi;
                    scgi_temp_path %1$s/scgi;
                    server {
                        listen 127.0.0.1:%2$d;
                        %3$s
                    }
                }
                """
                .formatted(
                        directory,
                        site.getPort(),
                        locations,
                        // As another user than Forrest's, which is the point of the socket's mode; only root can change
                        // it.
                        System.getProperty("user.name").equals("root") ? "user root;" : "");
    }

    private static String documented(String path) throws IOException {
        Pattern location = Pattern.compile("location /" + path + " \\{[^}]*}\n");
        return MarkdownBlocks.of("docs/nginx.md").stream()
                .filter(block -> block.language().equals("nginx"))
                .flatMap(block -> location.matcher(block.text()).results().map(MatchResult::group))
                .findFirst()
                .orElseThrow();
    }

    private boolean listens() {
        try (SocketChannel answers = SocketChannel.open(site)) {
            return answers.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    @AfterClass(alwaysRun = true)
    public void stop() throws InterruptedException {
        if (nginx != null) {
            nginx.destroy();
            nginx.waitFor(30, TimeUnit.SECONDS);
        }
        if (server != null) {
            server.close();
        }
    }

    @Test
    public void aSignedWebhookComesThrough() throws Exception {
        String answer = RawHttp.exchange(site, RawHttp.webhookHead(secret, job), job);
        assertThat(RawHttp.status(answer)).as(answer).isEqualTo(200);
        assertThat(observed.poll(10, TimeUnit.SECONDS)).isNotNull();
    }

    @Test
    public void aWebhookOf25MegabytesComesThroughAndALargerOneIsRefusedByNginx() throws Exception {
        byte[] large = Arrays.copyOf(job, ApiRoutes.MOST_WEBHOOK_BYTES);
        Arrays.fill(large, job.length, large.length, (byte) ' ');
        assertThat(RawHttp.status(RawHttp.exchange(site, RawHttp.webhookHead(secret, large), large)))
                .isEqualTo(200);
        assertThat(observed.poll(10, TimeUnit.SECONDS)).isNotNull();
        String head = "POST /webhook HTTP/1.1\r\nHost: f\r\nContent-Length: " + (large.length + 1);
        assertThat(RawHttp.status(RawHttp.exchange(site, head, new byte[0]))).isEqualTo(413);
    }

    @Test
    public void aChunkedBodyHasItsLengthWhenNginxHasReadIt() throws Exception {
        String head =
                RawHttp.webhookHead(secret, job).replaceFirst("Content-Length: \\d+", "Transfer-Encoding: chunked");
        String chunked =
                Integer.toHexString(job.length) + "\r\n" + new String(job, StandardCharsets.UTF_8) + "\r\n0\r\n\r\n";
        assertThat(RawHttp.status(RawHttp.exchange(site, head, chunked.getBytes(StandardCharsets.UTF_8))))
                .isEqualTo(200);
        assertThat(observed.poll(10, TimeUnit.SECONDS)).isNotNull();
    }

    private void assertIsTaken(String answer, String name, byte[] content) {
        assertThat(answer)
                .startsWith("HTTP/1.1 201 ")
                .contains("Content-Location: https://a.example/" + machine.machine() + "/" + name + "\r\n");
        assertThat(machine.own().resolve(name)).hasBinaryContent(content);
    }

    @Test
    public void artifactsOfBothClientsComeThrough() throws Exception {
        byte[] content = new byte[100_000];
        new Random(1).nextBytes(content);
        String token = machine.runToken();
        try (SocketChannel connection = SocketChannel.open(site)) {
            for (String name : List.of("a.bin", "sub/b.bin")) {
                RawHttp.write(connection, ascii(Uploads.nodeHead("/artifact/artifact/" + name, token)));
                RawHttp.write(connection, Uploads.chunked(content));
                assertIsTaken(RawHttp.readHead(connection), name, content);
            }
        }
        String head = Uploads.pythonHead("/artifact/artifact/c.bin", token, content.length);
        assertIsTaken(RawHttp.exchange(site, head, content), "c.bin", content);
    }

    /** As nginx does without further ado, which also makes of a chunked body one with a length. */
    @Test
    public void artifactsThatNginxHasBufferedComeThrough() throws Exception {
        byte[] content = new byte[100_000];
        String head = Uploads.nodeHead("/buffered/artifact/artifact/d.bin", machine.runToken());
        assertIsTaken(RawHttp.exchange(site, head.strip(), Uploads.chunked(content)), "d.bin", content);
    }

    @Test
    public void aFileIsCalledTheSameAsWithoutNginx() throws Exception {
        String target = "/artifact/artifact/names/";
        for (String name : List.of("a%20b", "caf%C3%A9", "100%25")) {
            String head = Uploads.pythonHead(target + name, machine.runToken(), 1);
            assertThat(RawHttp.exchange(site, head, new byte[1])).contains("/names/" + name + "\r\n");
        }
        // Which nginx has decoded for us.
        String head = Uploads.pythonHead(target + "x%2By", machine.runToken(), 1);
        assertThat(RawHttp.exchange(site, head, new byte[1])).contains("/names/x+y\r\n");
        assertThat(machine.files()).contains("own/names/a b", "own/names/caf\u00e9", "own/names/100%", "own/names/x+y");
    }

    @Test
    public void whatIsTooMuchIsToldToAClientThatSendsItAllFirst() throws Exception {
        byte[] tooMuch = new byte[8 << 20];
        String target = "/artifact/artifact/e.bin";
        String token = machine.runToken();
        String head = Uploads.pythonHead(target, token, tooMuch.length);
        assertThat(RawHttp.exchange(site, head, tooMuch))
                .startsWith("HTTP/1.1 500 ")
                .contains("1M that a machine");
        assertThat(RawHttp.exchange(site, Uploads.nodeHead(target, token).strip(), Uploads.chunked(tooMuch)))
                .startsWith("HTTP/1.1 500 ")
                .contains("1M that a machine");
        assertThat(machine.own().resolve("e.bin")).doesNotExist();
    }

    @Test
    public void anUploadThatIsCutOffBeforeNginxLeavesNothing() throws Exception {
        try (SocketChannel connection = SocketChannel.open(site)) {
            RawHttp.write(
                    connection,
                    ascii(Uploads.pythonHead("/artifact/artifact/cut/f.bin", machine.runToken(), 100)
                            + "\r\n\r\nhalf"));
            Eventually.holds("it comes in", Duration.ofSeconds(30), () -> hasFile("own/cut/.forrest-upload-"));
        }
        Eventually.holds("it is gone", Duration.ofSeconds(30), () -> !hasFile("own/cut/"));
    }

    private boolean hasFile(String beginning) throws IOException {
        return machine.files().stream().anyMatch(file -> file.startsWith(beginning));
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    @Test
    public void whatIsWrongIsAnsweredByForrest() throws Exception {
        String head = RawHttp.webhookHead("another secret", job);
        assertThat(RawHttp.exchange(site, head, job)).contains("400", "wrong signature");
        assertThat(RawHttp.status(RawHttp.exchange(site, "GET /webhook HTTP/1.1\r\nHost: f", new byte[0])))
                .isEqualTo(405);
        assertThat(RawHttp.status(RawHttp.exchange(site, "GET / HTTP/1.1\r\nHost: f", new byte[0])))
                .isEqualTo(404);
    }
}
