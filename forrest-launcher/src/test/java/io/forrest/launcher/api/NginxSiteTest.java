package io.forrest.launcher.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.Eventually;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.MarkdownBlocks;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** The site that ships with the launcher, in a real nginx: what comes through to Forrest, and from where. */
@Test(groups = "nginx")
public class NginxSiteTest {
    /** The requests that came through, and the first byte of each that has a body. */
    private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();

    private ApiServer forrest;
    private Process nginx;
    private InetSocketAddress internet;
    private InetSocketAddress guests;

    private final class Listener extends Handler.Abstract {
        @Override
        public boolean handle(Request request, Response response, Callback callback) throws Exception {
            seen.add(request.getMethod() + " " + request.getHttpURI().getPath());
            try (InputStream body = Content.Source.asInputStream(request)) {
                int first = body.read();
                if (first >= 0) {
                    seen.add(Character.toString(first));
                }
                body.transferTo(OutputStream.nullOutputStream());
            }
            response.setStatus(201);
            callback.succeeded();
            return true;
        }
    }

    private static InetSocketAddress free() throws IOException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return new InetSocketAddress(InetAddress.getLoopbackAddress(), free.getLocalPort());
        }
    }

    @BeforeClass
    public void start() throws Exception {
        Path program = HostNeeds.program("nginx");
        Path directory = Files.createTempDirectory("nginx");
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
        Path socket = directory.resolve("api.sock");
        forrest = new ApiServer(socket, ApiServer.Clients.EVERYBODY, Optional.empty(), new Listener());
        forrest.start();
        internet = free();
        guests = free();
        String site = Files.readString(MarkdownBlocks.sourceFile("forrest-launcher/src/main/dist/nginx/forrest"));
        assertThat(site).contains("listen 443 ssl;", "listen 127.0.0.1:8080;");
        Path config = directory.resolve("nginx.conf");
        Files.writeString(
                config,
                """
                daemon off;
                pid %1$s/nginx.pid;
                %3$s
                events {}
                http {
                    access_log off;
                    client_body_temp_path %1$s/body;
                    proxy_temp_path %1$s/proxy;
                    fastcgi_temp_path %1$s/fastcgi;
                    uwsgi_temp_path %1$s/uwsgi;
                    scgi_temp_path %1$s/scgi;
                    %2$s
                }
                """
                        .formatted(
                                directory,
                                site.replace("/var/lib/forrest/api.sock", socket.toString())
                                        .replace("listen 443 ssl;", "listen 127.0.0.1:" + internet.getPort() + ";")
                                        .replaceAll("(?m)^ *ssl_certificate.*$", "")
                                        .replace(
                                                "listen 127.0.0.1:8080;", "listen 127.0.0.1:" + guests.getPort() + ";"),
                                System.getProperty("user.name").equals("root") ? "user root;" : ""));
        nginx = new ProcessBuilder(
                        program.toString(), "-c", config.toString(), "-p", directory.toString(), "-e", "stderr")
                .inheritIO()
                .start();
        Eventually.holds("nginx listens", Duration.ofSeconds(30), () -> listens(guests) && listens(internet));
    }

    private static boolean listens(InetSocketAddress address) {
        try (SocketChannel answers = SocketChannel.open(address)) {
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
        if (forrest != null) {
            forrest.close();
        }
    }

    private int request(InetSocketAddress server, String line) throws IOException {
        return RawHttp.status(
                RawHttp.exchange(server, line + " HTTP/1.1\r\nHost: f\r\nContent-Length: 0", new byte[0]));
    }

    @Test
    public void theInternetReachesTheWebhookAndNothingElse() throws Exception {
        assertThat(request(internet, "POST /webhook")).isEqualTo(201);
        assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("POST /webhook");
        assertThat(request(internet, "PUT /artifact/store/file")).isEqualTo(404);
        assertThat(request(internet, "GET /")).isEqualTo(404);
        assertThat(seen).isEmpty();
    }

    @Test
    public void guestsReachArtifactsAndNothingElse() throws Exception {
        assertThat(request(guests, "PUT /artifact/store/a%20file")).isEqualTo(201);
        assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("PUT /artifact/store/a%20file");
        assertThat(request(guests, "POST /webhook")).isEqualTo(404);
        assertThat(request(guests, "GET /")).isEqualTo(404);
        assertThat(seen).isEmpty();
    }

    @Test
    public void anUploadIsWrittenWhileItComes() throws Exception {
        try (SocketChannel upload = SocketChannel.open(guests)) {
            RawHttp.write(
                    upload,
                    chunk("PUT /artifact/store/large HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\n", "A"));
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("PUT /artifact/store/large");
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("A");
            RawHttp.write(upload, chunk("", "B\r\n0\r\n"));
            ByteBuffer answer = ByteBuffer.allocate(12);
            while (answer.hasRemaining()) {
                assertThat(upload.read(answer)).isPositive();
            }
            assertThat(RawHttp.status(new String(answer.array(), StandardCharsets.US_ASCII)))
                    .isEqualTo(201);
        }
    }

    /** What comes before it, and a chunk that begins with one byte. */
    private static byte[] chunk(String head, String byteAndRest) {
        return (head + "1\r\n" + byteAndRest + "\r\n").getBytes(StandardCharsets.US_ASCII);
    }
}
