package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.domain.JobId;
import io.forrest.launcher.api.ControlClient;
import io.forrest.launcher.api.RawHttp;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** A real guest uploads from its job, and goes on when the daemon is killed and another comes. */
@Test(groups = {"qemu", "loop"})
public class ArtifactGuestTest {
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private TinyHost host;
    private Light light;
    private int port;

    @BeforeMethod
    public void prepare() throws Exception {
        host = new TinyHost("512M");
        light = new Light();
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        Files.writeString(
                host.config(),
                Files.readString(host.config())
                        .replace("disk_reserve: 64M", "disk_reserve: 64M, listen: \"127.0.0.1:" + port + "\"")
                        .replaceFirst(
                                "( +)disk: 64M",
                                "$0\n$1artifacts: [{path: " + host.directory()
                                        + "/artifacts/<RUNNER_NAME>, url: https://a.example/<RUNNER_NAME>, quota: 1M}]"));
    }

    @AfterMethod(alwaysRun = true)
    public void cleanUp() {
        if (host != null) {
            light.close();
            host.close();
        }
    }

    private LauncherProcess serve() throws Exception {
        // A killed daemon leaves its own.
        Files.deleteIfExists(Daemon.apiSocket(host.baseDirectory()));
        LauncherProcess daemon = new LauncherProcess(
                host.directory(), Map.of(), "serve", host.config().toString());
        Eventually.holds("the API", PATIENCE, () -> Files.exists(Daemon.apiSocket(host.baseDirectory())));
        host.sendWebhooks();
        return daemon;
    }

    /** Functions for a job: what it needs is all in the guest's environment, but for the port. */
    private String functions() {
        return """
                head() {
                    printf 'PUT /artifact/artifact/%%s HTTP/1.1\\r\\nHost: f\\r\\nAuthorization: Bearer %%s\\r\\n' \
                        "$1" "$(cat "$FORREST_RUN_TOKEN_FILE")"
                    printf 'Content-Length: %%s\\r\\nConnection: close\\r\\n\\r\\n' "$2"
                }
                put() {
                    echo "$1: $( { head "$1" "$2"; dd if=/dev/zero bs="$2" count=1 2> /dev/null; } | nc 10.0.2.2 %d | sed -n 1p)"
                }
                half() {
                    { head "$1" "$2"; echo half; sleep 600; } | nc 10.0.2.2 %d > /dev/null &
                }
                """
                .formatted(port, port);
    }

    private List<String> artifacts() throws IOException {
        Path stores = host.directory().resolve("artifacts");
        if (Files.notExists(stores)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(stores)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    private int statusOfUpload(String token) throws IOException {
        return RawHttp.status(RawHttp.exchange(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                "PUT /artifact/artifact/late HTTP/1.1\r\nHost: f\r\nContent-Length: 0\r\nAuthorization: Bearer "
                        + token,
                new byte[0]));
    }

    @Test
    public void aJobUploadsBeforeAndAfterTheDaemonIsKilledAndItsQuotaCountsThroughout() throws Exception {
        JobId job;
        String token;
        try (LauncherProcess old = serve()) {
            job = host.queue(
                    "uploads",
                    functions() + "put first 600000; half second 300000; " + light.waiting()
                            + "; put third 600000; put fourth 400000");
            Eventually.holds("it uploads", PATIENCE, () -> artifacts().size() == 2);
            token = new ObjectMapper()
                    .readTree(host.runDirectory(job)
                            .orElseThrow()
                            .resolve("machine.json")
                            .toFile())
                    .required("run_token")
                    .asText();
            old.kill();
            old.exitCode();
        }
        assertThat(artifacts()).hasSize(2).contains("first").doesNotContain("second");
        try (LauncherProcess daemon = serve()) {
            assertThat(artifacts()).containsExactly("first");
            light.turnGreen();
            Eventually.holds(
                    "the job is done",
                    PATIENCE,
                    () -> host.gitHub().job(job).conclusion().equals(Optional.of("success")));
            assertThat(host.gitHub().job(job).log())
                    .contains("first: HTTP/1.1 201 Created", "third: HTTP/1.1 500 ", "fourth: HTTP/1.1 201 Created");
            assertThat(artifacts()).containsExactly("first", "fourth");
            Eventually.holds(
                    "no machine is left", PATIENCE, () -> new ControlClient(Daemon.controlSocket(host.baseDirectory()))
                            .get("/machines")
                            .isEmpty());
            assertThat(statusOfUpload(token)).isEqualTo(404);
            daemon.terminate();
            assertThat(daemon.exitCode()).as(daemon.output()).isZero();
        }
    }
}
