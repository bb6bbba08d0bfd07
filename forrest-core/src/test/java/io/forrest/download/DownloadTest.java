package io.forrest.download;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What servers may not do to a download; the import of images tests the rest. */
public class DownloadTest {
    private static final long MOST_BYTES = 1 << 20;

    private final List<String> authorizations = Collections.synchronizedList(new ArrayList<>());
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HttpServer home;
    private HttpServer elsewhere;
    private Path target;

    private interface Answer {
        void give(HttpExchange exchange) throws IOException;
    }

    @BeforeMethod
    public void start() throws Exception {
        home = server();
        elsewhere = server();
        target = Files.createTempDirectory("download").resolve("file");
        authorizations.clear();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        home.stop(0);
        elsewhere.stop(0);
    }

    private HttpServer server() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.setExecutor(threads);
        server.start();
        return server;
    }

    private URI serve(HttpServer server, String path, Answer answer) {
        server.createContext(path, exchange -> {
            try (exchange) {
                authorizations.add(path + " " + exchange.getRequestHeaders().getFirst("Authorization"));
                answer.give(exchange);
            }
        });
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path);
    }

    private static Answer file() {
        return exchange -> {
            exchange.sendResponseHeaders(200, 4);
            exchange.getResponseBody().write("file".getBytes(StandardCharsets.US_ASCII));
        };
    }

    private static Answer redirection(String to) {
        return exchange -> {
            exchange.getResponseHeaders().set("Location", to);
            exchange.sendResponseHeaders(302, -1);
        };
    }

    private void fetch(URI address, Duration longest, Optional<Secret> token) throws Exception {
        new Download(Duration.ofSeconds(30), longest, MOST_BYTES)
                .fetch(address, token, target, MessageDigest.getInstance("SHA-256"), total -> {}, (done, total) -> {});
    }

    private void assertRefused(URI address, PluginException.Kind kind, String... words) {
        assertThatThrownBy(() -> fetch(address, Duration.ofMinutes(1), Optional.empty()))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContainingAll(words);
    }

    @Test
    public void aTokenIsShownToTheServerItIsForAndToNoOther() throws Exception {
        URI there = serve(elsewhere, "/there", file());
        serve(home, "/further", redirection(there.toString()));
        URI address = serve(home, "/here", redirection("/further"));
        fetch(address, Duration.ofMinutes(1), Optional.of(Secret.of("hush")));
        assertThat(target).hasContent("file");
        assertThat(authorizations).containsExactly("/here Bearer hush", "/further Bearer hush", "/there null");
    }

    @DataProvider
    public Object[][] ways() {
        return new Object[][] {
            {"/loop", "leads from one address to the next"},
            {"file:///etc/passwd", "away from https"},
            {"http://", "no address"},
            {"::", "no address"}
        };
    }

    @Test(dataProvider = "ways")
    public void aWayThatLeadsNowhereIsLeft(String location, String words) {
        assertRefused(serve(home, "/loop", redirection(location)), PluginException.Kind.REJECTED, "/loop", words);
        assertThat(authorizations).hasSizeLessThan(10);
    }

    @Test
    public void aFileThatIsTooLargeIsRefusedWhetherItsServerSaysSoOrNeverEnds() throws Exception {
        assertRefused(
                serve(home, "/large", exchange -> exchange.sendResponseHeaders(200, MOST_BYTES + 1)),
                PluginException.Kind.REJECTED,
                "1048576");
        URI endless = serve(home, "/endless", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            while (true) {
                exchange.getResponseBody().write(new byte[1 << 16]);
            }
        });
        assertRefused(endless, PluginException.Kind.REJECTED, "1048576");
        assertThat(Files.size(target)).isLessThanOrEqualTo(MOST_BYTES);
    }

    @Test
    public void whatTakesTooLongIsGivenUpThoughSomethingArrives() {
        URI address = serve(home, "/slow", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(1);
            exchange.getResponseBody().flush();
        });
        assertThatThrownBy(() -> fetch(address, Duration.ZERO, Optional.empty()))
                .hasMessageContaining("takes longer than 0 min");
    }
}
