package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import com.sun.net.httpserver.HttpServer;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub.JobRequest;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.testing.ManualClock;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Webhooks that were sent while nobody took them come again because Forrest asks for them. */
public class MissedWebhooksTest {
    private final List<AutoCloseable> open = new ArrayList<>();
    private final CountDownLatch askedFor = new CountDownLatch(1);
    private ManualClock clock;
    private Rig rig;
    private BlockingQueue<JobObservation> seen;
    private int port;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        seen = new LinkedBlockingQueue<>();
        try (Api taken = new Api(503)) {
            port = taken.port();
        }
        // Nobody is there.
        rig.github.webhookTarget(WebhookTarget.http(URI.create("http://127.0.0.1:" + port + "/webhook")));
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        for (AutoCloseable each : open) {
            each.close();
        }
        open.clear();
        rig.close();
    }

    /** What GitHub's webhooks reach. */
    private final class Api implements AutoCloseable {
        private final HttpServer server;

        /** Answers always the same. */
        Api(int status) throws IOException {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 16);
            server.createContext("/webhook", exchange -> {
                try (exchange) {
                    exchange.getRequestBody().readAllBytes();
                    exchange.sendResponseHeaders(status, -1);
                }
            });
            server.start();
        }

        /** Lets a receiver answer. */
        Api(WebhookReceiver receiver) throws IOException {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 16);
            server.createContext("/webhook", exchange -> {
                try (exchange) {
                    Map<String, String> headers = new HashMap<>();
                    exchange.getRequestHeaders()
                            .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
                    WebhookAnswer answer =
                            receiver.receive(headers, exchange.getRequestBody().readAllBytes());
                    exchange.sendResponseHeaders(answer.status(), -1);
                }
            });
            server.start();
        }

        int port() {
            return server.getAddress().getPort();
        }

        @Override
        public void close() {
            server.stop(0);
        }
    }

    private void comeUp(RepositoryId... repositories) throws Exception {
        WebhookReceiver receiver = new WebhookReceiver(rig.config(), rig.source(repositories), clock);
        receiver.start(seen::add);
        open.add(new Api(receiver));
    }

    private MissedWebhooks missed() throws Exception {
        MissedWebhooks made = new MissedWebhooks(
                rig.connection(),
                rig.config(),
                rig.webhooksState(),
                askedFor::countDown,
                Duration.ofMillis(1),
                new Random(1));
        open.add(made);
        return made;
    }

    private static void look(MissedWebhooks missed) throws Exception {
        missed.look().get(30, TimeUnit.SECONDS);
    }

    private JobId queue() {
        return rig.github.queueJob(JobRequest.push(Rig.FIRMWARE, "build", "build", "true"));
    }

    private void awaitDeliveries(int count) {
        await(() -> rig.github.deliveries().size() == count);
    }

    private static void await(BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("nothing happens").isLessThan(deadlineNanos);
            Thread.onSpinWait();
        }
    }

    private int asked() {
        return rig.requests("/attempts").size();
    }

    @Test
    public void jobsThatWereQueuedWhileTheDaemonWasDownAreHeardOfWithoutALookAtRuns() throws Exception {
        JobId first = queue();
        JobId second = queue();
        awaitDeliveries(2);
        clock.advance(Duration.ofHours(2));
        comeUp(Rig.FIRMWARE);
        missed().start(any -> {});
        Set<JobId> jobs = new HashSet<>();
        for (int i = 0; i < 2; i++) {
            JobObservation next = seen.poll(30, TimeUnit.SECONDS);
            assertThat(next.status()).isEqualTo(JobStatus.QUEUED);
            assertThat(next.source()).isEqualTo("webhook");
            jobs.add(next.job());
        }
        assertThat(jobs).containsExactlyInAnyOrder(first, second);
        assertThat(rig.requests("/actions/runs")).isEmpty();
    }

    @Test
    public void whatArrivedIsNotAskedForAgainAndALookAtNothingNewCostsNothing() throws Exception {
        queue();
        awaitDeliveries(1);
        comeUp(Rig.FIRMWARE);
        queue();
        awaitDeliveries(2);
        MissedWebhooks missed = missed();
        look(missed);
        assertThat(asked()).isEqualTo(1);
        awaitDeliveries(3);
        look(missed);
        look(missed);
        assertThat(asked()).isEqualTo(1);
        int counted = rig.github.requestsCounted();
        look(missed);
        assertThat(rig.github.requestsCounted()).isEqualTo(counted);
        assertThat(rig.github.requests()).last().isEqualTo("GET /app/hook/deliveries?per_page=100 304");
    }

    @Test
    public void aWebhookThatFailsAgainAndAgainIsAskedForThreeTimes() throws Exception {
        queue();
        awaitDeliveries(1);
        MissedWebhooks missed = missed();
        for (int i = 1; i <= 6; i++) {
            look(missed);
            int times = Math.min(i, 3);
            assertThat(asked()).isEqualTo(times);
            awaitDeliveries(1 + times);
        }
    }

    @Test
    public void aDaemonThatStartsAgainAndAgainAsksOnce() throws Exception {
        queue();
        awaitDeliveries(1);
        // Its answer comes after this test.
        rig.github.faults().delayWebhooks(Duration.ofMinutes(1));
        for (int i = 0; i < 3; i++) {
            try (MissedWebhooks missed = missed()) {
                look(missed);
            }
        }
        assertThat(asked()).isEqualTo(1);
        assertThat(Files.readString(rig.webhooksState())).contains("\"times\":1");
    }

    @Test
    public void whatForrestItselfRefusedIsNotAskedFor() throws Exception {
        queue();
        awaitDeliveries(1);
        comeUp(new RepositoryId("acme", "another"));
        MissedWebhooks missed = missed();
        look(missed);
        awaitDeliveries(2);
        assertThat(rig.github.deliveries()).last().asString().endsWith(" 401");
        look(missed);
        look(missed);
        assertThat(asked()).isEqualTo(1);
    }

    @Test
    public void whatIsTooOldToBeRunIsNotAskedFor() throws Exception {
        queue();
        awaitDeliveries(1);
        clock.advance(Duration.ofHours(25));
        look(missed());
        assertThat(asked()).isZero();
    }

    @Test
    public void ofManyThatAreMissingSomeAreAskedForNowAndTheOthersLater() throws Exception {
        IntStream.range(0, 130).forEach(i -> queue());
        awaitDeliveries(130);
        comeUp(Rig.FIRMWARE);
        MissedWebhooks missed = missed();
        look(missed);
        assertThat(asked()).isEqualTo(60);
        // The newest first, so that the end of a job is heard of before its beginning.
        await(() -> seen.size() == 60);
        assertThat(rig.requests("cursor=")).hasSize(1);
        look(missed);
        look(missed);
        await(() -> seen.size() == 130);
        look(missed);
        assertThat(asked()).isEqualTo(130);
        assertThat(seen.stream().map(JobObservation::job).distinct()).hasSize(130);
    }

    @Test
    public void anOutageWhileAskingLosesNothing() throws Exception {
        queue();
        queue();
        awaitDeliveries(2);
        comeUp(Rig.FIRMWARE);
        MissedWebhooks missed = missed();
        rig.github.faults().failSometimes(0.5, 3, Fault.status(502));
        for (int i = 0; i < 20; i++) {
            look(missed);
        }
        rig.github.faults().clear();
        look(missed);
        await(() -> seen.stream().map(JobObservation::job).distinct().count() == 2);
        assertThat(rig.requests("/attempts 202")).hasSize(2);
    }

    @Test
    public void everythingIsLookedAtOnceMoreAfterSomethingWasAskedFor() throws Exception {
        queue();
        awaitDeliveries(1);
        look(missed());
        assertThat(askedFor.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    public void aGitHubWithoutAListIsSaidOnce() throws Exception {
        try (CapturedLog log = new CapturedLog();
                ScriptedServer server =
                        new ScriptedServer(any -> ScriptedServer.Reply.of(404, "{\"message\":\"Not Found\"}"))) {
            MissedWebhooks missed = new MissedWebhooks(
                    rig.connection(server.address(), new RestConnector()),
                    rig.config(),
                    rig.webhooksState(),
                    askedFor::countDown);
            open.add(missed);
            look(missed);
            look(missed);
            assertThat(server.requests()).hasSize(2);
            assertThat(log.ofForrest(Level.INFO))
                    .filteredOn(line -> line.contains("left to polling"))
                    .hasSize(1);
            assertThat(log.ofForrest(Level.WARN)).isEmpty();
        }
    }
}
