package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.spi.PluginException;
import io.forrest.spi.PluginException.Kind;
import io.forrest.testing.ManualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Tokens, refusals, limits and silence. */
public class GitHubConnectionTest {
    private static final String RUNNERS = "/repos/acme/firmware/actions/runners";
    private static final byte[] NO_BODY = new byte[0];
    private static final int THREADS = 8;

    private ManualClock clock;
    private Rig rig;
    private GitHubConnection connection;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        connection = rig.connection();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        rig.close();
    }

    private RestAnswer get() throws PluginException {
        return get(connection);
    }

    private static RestAnswer get(GitHubConnection of) throws PluginException {
        return of.asInstallation(Rig.FIRMWARE, "GET", of.address(RUNNERS), NO_BODY);
    }

    private PluginException refused() {
        return refused(connection);
    }

    private static PluginException refused(GitHubConnection of) {
        PluginException e = catchThrowableOfType(PluginException.class, () -> get(of));
        assertThat(e).isNotNull();
        assertThat(e.getMessage()).doesNotContain("\n").matches(".*[.?]");
        return e;
    }

    private static List<Throwable> onAllThreads(PluginCall call) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        try {
            CyclicBarrier start = new CyclicBarrier(THREADS);
            List<Future<Throwable>> futures = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                futures.add(pool.submit(() -> {
                    start.await();
                    return catchThrowable(call::run);
                }));
            }
            List<Throwable> failures = new ArrayList<>();
            for (Future<Throwable> future : futures) {
                Optional.ofNullable(future.get(60, TimeUnit.SECONDS)).ifPresent(failures::add);
            }
            return failures;
        } finally {
            pool.shutdownNow();
        }
    }

    private interface PluginCall {
        void run() throws PluginException;
    }

    @Test
    public void aTokenIsFetchedOnceHoweverManyWaitForIt() throws Exception {
        assertThat(onAllThreads(this::get)).isEmpty();
        assertThat(rig.requests("/installation 200")).hasSize(1);
        assertThat(rig.requests("/access_tokens")).hasSize(1);
        assertThat(rig.requests(RUNNERS)).hasSize(THREADS);
    }

    @Test
    public void afterPreparationARequestIsASingleOne() throws Exception {
        connection.prepare(Rig.FIRMWARE);
        int before = rig.github.requests().size();
        get();
        assertThat(rig.github.requests()).hasSize(before + 1);
    }

    @Test
    public void aFetchThatFailsFailsForAllThatWaitForItAtOnce() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            GitHubConnection unanswered = rig.connection(
                    URI.create("http://127.0.0.1:" + silent.getLocalPort()),
                    new RestConnector(Duration.ofSeconds(5), Duration.ofMillis(1500), 1000));
            long startNanos = System.nanoTime();
            List<Throwable> failures = onAllThreads(() -> get(unanswered));
            assertThat(failures).hasSize(THREADS).allSatisfy(e -> assertThat(((PluginException) e).kind())
                    .isEqualTo(Kind.RETRY_LATER));
            // One after the other it would have been twelve seconds.
            assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isLessThan(Duration.ofSeconds(6));
        }
    }

    @Test
    public void aTokenIsRenewedBeforeItsEnd() throws Exception {
        get();
        clock.advance(Duration.ofMinutes(54));
        get();
        assertThat(rig.requests("/access_tokens")).hasSize(1);
        clock.advance(Duration.ofMinutes(2));
        get();
        assertThat(rig.requests("/access_tokens")).hasSize(2);
        assertThat(rig.requests("/installation 200")).hasSize(1);
        assertThat(rig.requests(" 401")).isEmpty();
    }

    @Test
    public void aRevokedTokenIsReplacedOnce() throws Exception {
        get();
        rig.github.revokeTokens();
        assertThat(onAllThreads(this::get)).isEmpty();
        assertThat(rig.requests("/access_tokens")).hasSize(2);
    }

    @Test
    public void aSecondRefusalOfTheTokenIsOne() throws Exception {
        get();
        rig.github.faults().failNext(1, Fault.status(401));
        get();
        connection.prepare(Rig.FIRMWARE);
        try (ScriptedServer server =
                new ScriptedServer(request -> ScriptedServer.Reply.of(401, "{\"message\":\"Bad credentials\"}"))) {
            GitHubConnection disliked = rig.connection(server.address(), new RestConnector());
            PluginException e = refused(disliked);
            assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
            assertThat(e).hasMessageContainingAll("401", "Bad credentials", "clock");
            assertThat(server.requests()).hasSize(2);
        }
    }

    @Test
    public void anAppThatIsNotInstalledIsRejectedWithTheWayOut() {
        PluginException e = catchThrowableOfType(
                PluginException.class, () -> connection.prepare(new RepositoryId("acme", "other")));
        assertThat(e.kind()).isEqualTo(Kind.REJECTED);
        assertThat(e).hasMessageContainingAll("404", "acme/other", "Install the App");
        // It is no refusal of the request that the token was for.
        assertThat(e).isNotInstanceOf(GitHubRefusal.class);
    }

    @Test
    public void anAppThatIsInstalledLaterIsFound() throws Exception {
        RepositoryId late = new RepositoryId("late", "one");
        assertThatThrownBy(() -> connection.prepare(late)).isInstanceOf(PluginException.class);
        rig.github.addRepository(late);
        clock.advance(Duration.ofSeconds(5));
        connection.prepare(late);
    }

    @DataProvider
    public Object[][] statuses() {
        return new Object[][] {
            {400, Kind.REJECTED},
            {404, Kind.REJECTED},
            {409, Kind.REJECTED},
            {410, Kind.REJECTED},
            {422, Kind.REJECTED},
            {301, Kind.REJECTED},
            {403, Kind.REJECTED},
            {408, Kind.RETRY_LATER},
            {429, Kind.RETRY_LATER},
            {500, Kind.RETRY_LATER},
            {502, Kind.RETRY_LATER},
            {503, Kind.RETRY_LATER},
            {504, Kind.RETRY_LATER},
        };
    }

    @Test(dataProvider = "statuses")
    public void eachStatusMeansToTryLaterOrNever(int status, Kind kind) throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                request -> ScriptedServer.Reply.of(status, "{\"message\":\"Because\\n  I say so.\"}"))) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e.kind()).isEqualTo(kind);
            assertThat(((GitHubRefusal) e).status()).isEqualTo(status);
            assertThat(e)
                    .hasMessageContaining("GitHub answers " + status + " to GET " + RUNNERS + ": Because I say so.");
        }
    }

    @Test
    public void aProxysErrorPageTellsEnoughByItsStatus() throws Exception {
        try (ScriptedServer server =
                new ScriptedServer(request -> ScriptedServer.Reply.of(502, "<html>Bad Gateway</html>"))) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
            assertThat(e).hasMessageContaining("502");
        }
    }

    @Test
    public void aPageThatIsNotJsonIsNoAnswer() throws Exception {
        try (ScriptedServer server =
                new ScriptedServer(request -> ScriptedServer.Reply.of(200, "<html>Please log in</html>"))) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
            assertThat(e).hasMessageContainingAll(server.address().toString(), "not JSON");
        }
    }

    @Test
    public void aTokenIsNotSentToWhereARedirectionPoints() throws Exception {
        try (ScriptedServer elsewhere = new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{}"));
                ScriptedServer server = new ScriptedServer(request -> new ScriptedServer.Reply(
                        301, "{\"message\":\"Moved Permanently\"}", Map.of("Location", elsewhere.address() + "/x")))) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e).hasMessageContaining("renamed");
            assertThat(elsewhere.requests()).isEmpty();
        }
    }

    @Test
    public void aSuspendedInstallationIsSaidToBeOne() throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                request -> ScriptedServer.Reply.of(403, "{\"message\":\"This installation has been suspended\"}"))) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e.kind()).isEqualTo(Kind.REJECTED);
            assertThat(e).hasMessageContaining("Unsuspend");
        }
    }

    @Test
    public void whileGitHubWantsToBeLeftAloneNothingIsAsked() throws Exception {
        get();
        rig.github.faults().failNext(1, Fault.status(429, Duration.ofSeconds(30)));
        assertThat(refused()).hasMessageContaining("30 s");
        int before = rig.github.requests().size();
        PluginException e = refused();
        assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
        assertThat(e).hasMessageContainingAll("repositories of acme", "2026-03-01T10:00:30Z");
        assertThat(rig.github.requests()).hasSize(before);
        clock.advance(Duration.ofSeconds(30));
        get();
    }

    @Test
    public void aLimitOfOneRepositoryIsNoneOfAnother() throws Exception {
        RepositoryId other = new RepositoryId("other", "one");
        rig.github.addRepository(other);
        connection.prepare(other);
        get();
        rig.github.faults().failNext(1, Fault.status(403, Duration.ofSeconds(30)));
        assertThat(refused().kind()).isEqualTo(Kind.RETRY_LATER);
        connection.asInstallation(other, "GET", connection.address("/repos/other/one/actions/runners"), NO_BODY);
    }

    @Test
    public void aLimitOfOneRepositoryIsOneOfAllOfTheInstallation() throws Exception {
        RepositoryId neighbour = new RepositoryId("acme", "hardware");
        rig.github.addRepository(neighbour);
        get();
        connection.prepare(neighbour);
        rig.github.faults().failNext(1, Fault.status(403, Duration.ofSeconds(30)));
        refused();
        int before = rig.github.requests().size();
        assertThatThrownBy(() -> connection.asInstallation(
                        neighbour, "GET", connection.address("/repos/acme/hardware/actions/runners"), NO_BODY))
                .isInstanceOf(KnownTrouble.class);
        assertThat(rig.github.requests()).hasSize(before);
    }

    @Test
    public void aSecondaryLimitWithoutATimeIsAMinute() throws Exception {
        get();
        rig.github.faults().failNext(1, Fault.status(403));
        assertThat(refused()).hasMessageContainingAll("secondary rate limit", "60 s");
        clock.advance(Duration.ofSeconds(59));
        refused();
        clock.advance(Duration.ofSeconds(1));
        get();
    }

    @Test
    public void aSpentRateLimitIsWaitedForToItsEnd() throws Exception {
        get();
        rig.github.faults().rateLimit(1);
        PluginException e = refused();
        assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
        assertThat(e).hasMessageContaining("rate limit exceeded");
        clock.advance(Duration.ofMinutes(59));
        int before = rig.github.requests().size();
        refused();
        assertThat(rig.github.requests()).hasSize(before);
        clock.advance(Duration.ofMinutes(1));
        get();
    }

    @Test
    public void aTimeThatIsNonsenseIsCutToAnHour() {
        Instant now = clock.instant();
        assertThat(pause(429, "999999999")).contains(Duration.ofHours(1));
        assertThat(pause(429, "soon")).contains(Duration.ofMinutes(1));
        assertThat(pause(429, "-5")).contains(Duration.ofMinutes(1));
        assertThat(pause(429, "0")).contains(Duration.ofSeconds(1));
        assertThat(pause(503, "20")).contains(Duration.ofSeconds(20));
        assertThat(pause(422, "20")).isEmpty();
        assertThat(new Pauses.Signs(403, Optional.empty(), true, Optional.of("" + (now.getEpochSecond() - 5)), "")
                        .pause(now))
                .contains(Duration.ofSeconds(1));
        assertThat(new Pauses.Signs(403, Optional.empty(), false, Optional.empty(), "Resource not accessible")
                        .pause(now))
                .isEmpty();
        assertThat(new Pauses.Signs(200, Optional.empty(), true, Optional.of("9999999999"), "").pause(now))
                .isEmpty();
    }

    private Optional<Duration> pause(int status, String retryAfter) {
        return new Pauses.Signs(status, Optional.of(retryAfter), false, Optional.empty(), "").pause(clock.instant());
    }

    @Test
    public void aServerThatNeverAnswersIsGivenUp() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            GitHubConnection unanswered = rig.connection(
                    URI.create("http://127.0.0.1:" + silent.getLocalPort()),
                    new RestConnector(Duration.ofSeconds(5), Duration.ofMillis(300), 1000));
            PluginException e = refused(unanswered);
            assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
            assertThat(e).hasMessageContainingAll("127.0.0.1:" + silent.getLocalPort(), "no answer within 300 ms");
        }
    }

    @Test
    public void anAnswerThatNeverEndsIsGivenUp() throws Exception {
        try (ServerSocket slow = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Socket> accepted = CompletableFuture.supplyAsync(() -> {
                try {
                    Socket socket = slow.accept();
                    socket.getOutputStream()
                            .write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
                                    .getBytes(StandardCharsets.US_ASCII));
                    return socket;
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            GitHubConnection unanswered = rig.connection(
                    URI.create("http://127.0.0.1:" + slow.getLocalPort()),
                    new RestConnector(Duration.ofSeconds(5), Duration.ofMillis(500), 10_000));
            assertThat(refused(unanswered)).hasMessageContaining("no answer within 500 ms");
            accepted.get(30, TimeUnit.SECONDS).close();
        }
    }

    @Test
    public void anAnswerThatIsTooLargeIsNotCutButRefused() throws Exception {
        String large = "{\"runners\":[],\"x\":\"" + "x".repeat(100_000) + "\"}";
        try (ScriptedServer server = new ScriptedServer(request -> ScriptedServer.Reply.of(200, large))) {
            GitHubConnection strict = rig.connection(
                    server.address(), new RestConnector(Duration.ofSeconds(5), Duration.ofSeconds(30), 50_000));
            assertThat(refused(strict)).hasMessageContaining("more than 50000 bytes");
            GitHubConnection generous = rig.connection(
                    server.address(), new RestConnector(Duration.ofSeconds(5), Duration.ofSeconds(30), 200_000));
            assertThat(get(generous).status()).isEqualTo(200);
        }
    }

    @Test
    public void nobodyThereIsSaidInOneLine() throws Exception {
        int port;
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = taken.getLocalPort();
        }
        PluginException e = refused(rig.connection(URI.create("http://127.0.0.1:" + port), new RestConnector()));
        assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
        assertThat(e).hasMessageContainingAll("http://127.0.0.1:" + port, "ConnectException");
    }

    @Test
    public void anInterruptedRequestEndsAndTheThreadStaysInterrupted() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            GitHubConnection unanswered =
                    rig.connection(URI.create("http://127.0.0.1:" + silent.getLocalPort()), new RestConnector());
            CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
            Thread asking = new Thread(() -> {
                PluginException e = refused(unanswered);
                interrupted.complete(Thread.currentThread().isInterrupted() && e.kind() == Kind.RETRY_LATER);
            });
            asking.start();
            try (Socket connected = silent.accept()) {
                assertThat(connected.isConnected()).isTrue();
                asking.interrupt();
                assertThat(interrupted.get(30, TimeUnit.SECONDS)).isTrue();
            }
        }
    }

    @Test
    public void requestsSayWhoAsksAndInWhichVersion() throws Exception {
        try (ScriptedServer server = new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{}"))) {
            get(rig.connection(server.address(), new RestConnector()));
            assertThat(server.requests()).singleElement().satisfies(request -> assertThat(request.headers())
                    .containsEntry("user-agent", "forrest")
                    .containsEntry("accept", "application/vnd.github+json")
                    .containsEntry("x-github-api-version", "2022-11-28")
                    .containsEntry("authorization", "Bearer ghs_scripted"));
        }
    }

    @Test
    public void aPathBelowTheApisAddressIsKept() throws Exception {
        try (ScriptedServer server = new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{}"))) {
            GitHubConnection enterprise = rig.connection(URI.create(server.address() + "/api/v3"), new RestConnector());
            get(enterprise);
            assertThat(server.requests())
                    .extracting(ScriptedServer.Request::call)
                    .containsExactly("GET /api/v3" + RUNNERS);
        }
    }

    @Test
    public void anInstallationWithoutANumberOrATokenIsNoAnswer() throws Exception {
        try (ScriptedServer server = new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{}"), false)) {
            PluginException e = refused(rig.connection(server.address(), new RestConnector()));
            assertThat(e.kind()).isEqualTo(Kind.RETRY_LATER);
            assertThat(e).hasMessageContaining("github.api_url");
        }
    }
}
