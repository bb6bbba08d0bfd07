package io.forrest.github.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.testing.ManualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Webhooks as GitHub sends them, and the ways in which they go astray. */
public class EmbeddedWebhooksTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");

    private EmbeddedGitHub github;
    private WebhookInbox inbox;

    @BeforeMethod
    public void start() throws Exception {
        github = new EmbeddedGitHub(Clock.systemUTC());
        github.addRepository(REPOSITORY);
        inbox = new WebhookInbox(200);
        github.webhookTarget(inbox.target());
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        github.close();
        inbox.close();
    }

    private JobId push(String name) {
        return github.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, name, "build", "true"));
    }

    /** Waits for what happens on a thread of the embedded GitHub's. */
    private static void await(BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("nothing happens").isLessThan(deadlineNanos);
            Thread.onSpinWait();
        }
    }

    @Test
    public void aJobsWholeWayIsToldInSignedEventsThatAreAsDescribed() throws Exception {
        JobId deployment = github.queueJob(
                new EmbeddedGitHub.JobRequest(REPOSITORY, "deploy", "push", List.of("build"), "true", true));
        github.approve(deployment);
        RawClient client = new RawClient(github, Clock.systemUTC());
        GuestRunner runner = new GuestRunner(client.register(
                        REPOSITORY, client.installationToken(REPOSITORY), RawClient.jitRequest("runner", "build"))
                .body()
                .path("encoded_jit_config")
                .asText());
        runner.connect();
        runner.takeJob();
        runner.end("success");
        for (String action : List.of("waiting", "queued", "in_progress", "completed")) {
            WebhookInbox.Webhook webhook = inbox.take();
            assertThat(webhook.summary()).isEqualTo(action + " deploy");
            assertThat(GitHubSchemas.webhookProblems(webhook.event())).isEmpty();
            assertThat(webhook.method()).isEqualTo("POST");
            assertThat(webhook.headers())
                    .containsEntry("x-github-event", "workflow_job")
                    .containsEntry("content-type", "application/json")
                    .containsEntry("x-hub-signature-256", "sha256=" + hmac(webhook.text()))
                    .containsKey("x-github-delivery");
        }
        await(() -> github.deliveries().size() == 4);
        assertThat(github.deliveries())
                .containsExactly(
                        "waiting " + deployment + " 200",
                        "queued " + deployment + " 200",
                        "in_progress " + deployment + " 200",
                        "completed " + deployment + " 200");
    }

    private String hmac(String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(github.webhookSecret().getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        return HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    public void droppedWebhooksNeverCome() throws Exception {
        github.faults().dropWebhooks(2);
        push("one");
        push("two");
        push("three");
        assertThat(inbox.take().summary()).isEqualTo("queued three");
    }

    @Test
    public void repeatedWebhooksAreTheSameDelivery() throws Exception {
        github.faults().repeatWebhooks(3);
        push("one");
        WebhookInbox.Webhook first = inbox.take();
        for (int i = 0; i < 2; i++) {
            WebhookInbox.Webhook again = inbox.take();
            assertThat(again.text()).isEqualTo(first.text());
            assertThat(again.headers().get("x-github-delivery"))
                    .isEqualTo(first.headers().get("x-github-delivery"));
        }
        github.faults().repeatWebhooks(1);
        push("two");
        assertThat(inbox.take().summary()).isEqualTo("queued two");
    }

    @Test
    public void delayedWebhooksComeLaterThanOthers() throws Exception {
        github.faults().delayWebhooks(Duration.ofMillis(300));
        long startNanos = System.nanoTime();
        push("late");
        github.faults().delayWebhooks(Duration.ZERO);
        push("soon");
        assertThat(inbox.takeSummaries(2)).containsExactly("queued soon", "queued late");
        assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isGreaterThanOrEqualTo(Duration.ofMillis(300));
    }

    @Test
    public void reorderedWebhooksComeLastFirst() throws Exception {
        github.faults().reorderWebhooks(3);
        push("one");
        push("two");
        assertThat(inbox.isEmpty()).isTrue();
        push("three");
        push("four");
        assertThat(inbox.takeSummaries(4)).containsExactly("queued three", "queued two", "queued one", "queued four");
    }

    @Test
    public void aShareOfTheWebhooksIsLostDoubledOvertakenOrForgedRepeatably() throws Exception {
        List<String> first = randomDeliveries(7);
        assertThat(randomDeliveries(7)).isEqualTo(first);
        assertThat(first).doesNotHaveDuplicates();
        List<String> names =
                first.stream().map(line -> line.substring(0, line.indexOf(' '))).toList();
        // Some are lost, some come more than once, some too late, and some copies are signed by somebody else.
        assertThat(names.stream().distinct().count()).isLessThan(30);
        assertThat(names).isNotEqualTo(names.stream().sorted().toList());
        assertThat(first).anySatisfy(line -> assertThat(line).endsWith(" false"));
        assertThat(first).anySatisfy(line -> assertThat(line).endsWith(" true"));
    }

    /** Of 30 webhooks, as {@code name, which of its copies, whether its signature is good}. */
    private List<String> randomDeliveries(long seed) throws Exception {
        github.faults().webhooksRandomly(0.5, seed);
        for (int i = 100; i < 130; i++) {
            push("" + i);
        }
        github.faults().clear();
        List<String> lines = new ArrayList<>();
        // The first lets the last of the others overtake it.
        push("998");
        push("999");
        while (true) {
            WebhookInbox.Webhook webhook = inbox.take();
            String name = webhook.summary().replace("queued ", "");
            if (name.equals("999")) {
                return lines;
            }
            if (name.equals("998")) {
                continue;
            }
            boolean good =
                    ("sha256=" + hmac(webhook.text())).equals(webhook.headers().get("x-hub-signature-256"));
            long copy = lines.stream().filter(line -> line.startsWith(name)).count();
            lines.add(name + " " + copy + " " + good);
        }
    }

    @Test
    public void aRefusalIsNotedAndNotTriedAgain() throws Exception {
        try (WebhookInbox refusing = new WebhookInbox(401)) {
            github.webhookTarget(refusing.target());
            JobId job = push("one");
            await(() -> !github.deliveries().isEmpty());
            assertThat(github.deliveries()).containsExactly("queued " + job + " 401");
            refusing.take();
            github.webhookTarget(inbox.target());
            push("two");
            assertThat(inbox.take().summary()).isEqualTo("queued two");
            assertThat(refusing.isEmpty()).isTrue();
        }
    }

    @Test
    public void nobodyThereIsNotedAndHarmsNobody() throws Exception {
        int port;
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = taken.getLocalPort();
        }
        github.webhookTarget(WebhookTarget.http(URI.create("http://127.0.0.1:" + port + "/webhook")));
        JobId job = push("one");
        await(() -> !github.deliveries().isEmpty());
        assertThat(github.deliveries().get(0)).startsWith("queued " + job + " failed: ");
    }

    @Test
    public void aReceiverThatNeverAnswersIsGivenUp() throws Exception {
        Faults faults = new Faults();
        try (WebhookSender sender = new WebhookSender("secret", faults, Clock.systemUTC(), Duration.ofMillis(200));
                ServerSocket silent = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            sender.target(new WebhookTarget(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), silent.getLocalPort()), "/webhook"));
            sender.send(event("one"));
            await(() -> !summaries(sender).isEmpty());
            assertThat(summaries(sender)).containsExactly("queued 1 failed: no answer within 200 ms");
            sender.target(inbox.target());
            sender.send(event("two"));
            assertThat(inbox.take().summary()).isEqualTo("queued two");
        }
    }

    @Test
    public void anAnswerThatIsNoneIsAFailureAndTheNextWebhookIsSent() throws Exception {
        Faults faults = new Faults();
        try (WebhookSender sender = new WebhookSender("secret", faults, Clock.systemUTC(), Duration.ofSeconds(10));
                ServerSocket rude = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> answered = CompletableFuture.runAsync(() -> {
                try (Socket socket = rude.accept()) {
                    socket.getOutputStream()
                            .write("220 mail.example.com ESMTP\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            sender.target(new WebhookTarget(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), rude.getLocalPort()), "/webhook"));
            sender.send(event("one"));
            answered.get(30, TimeUnit.SECONDS);
            await(() -> !summaries(sender).isEmpty());
            assertThat(summaries(sender).get(0)).startsWith("queued 1 failed: ");
            sender.target(inbox.target());
            sender.send(event("two"));
            assertThat(inbox.take().summary()).isEqualTo("queued two");
        }
    }

    private static final String DELIVERIES = "/app/hook/deliveries";

    @Test
    public void whatCouldNotBeDeliveredIsListedAndDeliveredAgainWhenAskedFor() throws Exception {
        RawClient client = new RawClient(github, Clock.systemUTC());
        push("good");
        String guid = inbox.take().headers().get("x-github-delivery");
        await(() -> github.deliveries().size() == 1);
        JsonNode good = client.get(DELIVERIES, client.appToken()).body().get(0);
        assertThat(good.path("status").asText()).isEqualTo("OK");
        assertThat(good.path("status_code").asInt()).isEqualTo(200);
        assertThat(good.path("guid").asText()).isEqualTo(guid);
        assertThat(good.path("event").asText()).isEqualTo("workflow_job");
        assertThat(good.path("action").asText()).isEqualTo("queued");
        assertThat(good.path("redelivery").asBoolean()).isFalse();

        inbox.close();
        push("bad");
        await(() -> github.deliveries().size() == 2);
        JsonNode bad =
                client.get(DELIVERIES + "?status=failure", client.appToken()).body();
        assertThat(bad).hasSize(1);
        assertThat(bad.at("/0/status_code").asInt()).isEqualTo(502);
        assertThat(client.get(DELIVERIES + "?status=success", client.appToken()).body())
                .containsExactly(good);

        try (WebhookInbox next = new WebhookInbox(200)) {
            github.webhookTarget(next.target());
            String attempts = DELIVERIES + "/" + bad.at("/0/id").asLong() + "/attempts";
            assertThat(client.call("POST", attempts, client.appToken(), "").status())
                    .isEqualTo(202);
            WebhookInbox.Webhook again = next.take();
            assertThat(again.summary()).isEqualTo("queued bad");
            assertThat(again.headers())
                    .containsEntry("x-github-delivery", bad.at("/0/guid").asText())
                    .containsEntry("x-hub-signature-256", "sha256=" + hmac(again.text()));
            await(() -> github.deliveries().size() == 3);
        }
        JsonNode all = client.get(DELIVERIES, client.appToken()).body();
        assertThat(all).hasSize(3);
        assertThat(all.at("/0/redelivery").asBoolean()).isTrue();
        assertThat(all.at("/0/guid")).isEqualTo(bad.at("/0/guid"));
        assertThat(all.at("/0/status_code").asInt()).isEqualTo(200);
    }

    @Test
    public void theListOfDeliveriesComesInPagesNewestFirst() throws Exception {
        for (int i = 0; i < 5; i++) {
            push("job-" + i);
        }
        await(() -> github.deliveries().size() == 5);
        RawClient client = new RawClient(github, Clock.systemUTC());
        List<Long> ids = new ArrayList<>();
        String page = DELIVERIES + "?per_page=2";
        int pages = 0;
        while (!page.isEmpty()) {
            RawClient.Reply reply = client.get(page, client.appToken());
            reply.body().forEach(item -> ids.add(item.path("id").asLong()));
            page = reply.header("Link").orElse("").replaceFirst("^<([^>]+)>; rel=\"next\"$", "$1");
            pages++;
        }
        assertThat(pages).isEqualTo(3);
        assertThat(ids).hasSize(5).doesNotHaveDuplicates().isSortedAccordingTo(Comparator.reverseOrder());
    }

    @Test
    public void deliveriesAreForTheAppAloneAndNothingIsDeliveredThatIsNotThere() throws Exception {
        RawClient client = new RawClient(github, Clock.systemUTC());
        assertThat(client.get(DELIVERIES, client.installationToken(REPOSITORY)).status())
                .isEqualTo(401);
        assertThat(client.call("POST", DELIVERIES + "/1/attempts", client.appToken(), "")
                        .status())
                .isEqualTo(404);
        assertThat(client.get(DELIVERIES + "?cursor=x", client.appToken()).status())
                .isEqualTo(400);
        assertThat(client.get(DELIVERIES + "?status=x", client.appToken()).status())
                .isEqualTo(422);
    }

    @Test
    public void deliveriesAreKeptForThreeDays() throws Exception {
        ManualClock clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        try (EmbeddedGitHub old = new EmbeddedGitHub(clock)) {
            old.addRepository(REPOSITORY);
            old.webhookTarget(inbox.target());
            old.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "one", "build", "true"));
            await(() -> old.deliveries().size() == 1);
            RawClient client = new RawClient(old, clock);
            clock.advance(Duration.ofDays(3));
            JsonNode list = client.get(DELIVERIES, client.appToken()).body();
            assertThat(list).hasSize(1);
            clock.advance(Duration.ofSeconds(1));
            assertThat(client.get(DELIVERIES, client.appToken()).body()).isEmpty();
            String attempts = DELIVERIES + "/" + list.at("/0/id").asLong() + "/attempts";
            assertThat(client.call("POST", attempts, client.appToken(), "").status())
                    .isEqualTo(404);
        }
    }

    private static List<String> summaries(WebhookSender sender) {
        return sender.deliveries().stream().map(WebhookDelivery::summary).toList();
    }

    private static ObjectNode event(String name) {
        ObjectNode event = Documents.JSON.createObjectNode().put("action", "queued");
        event.putObject("workflow_job").put("id", 1).put("name", name);
        return event;
    }

    @Test
    public void webhooksReachAUnixSocket() throws Exception {
        Path directory = Files.createTempDirectory("forrest");
        Path socket = directory.resolve("api.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            github.webhookTarget(WebhookTarget.unixSocket(socket));
            JobId job = push("one");
            try (SocketChannel connection = server.accept()) {
                ByteBuffer buffer = ByteBuffer.allocate(512);
                connection.read(buffer);
                assertThat(new String(buffer.array(), StandardCharsets.US_ASCII))
                        .startsWith("POST /webhook HTTP/1.1\r\n");
                // The connection stays open: the answer's head must do.
                connection.write(
                        ByteBuffer.wrap("HTTP/1.1 204 No Content\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
                await(() -> !github.deliveries().isEmpty());
            }
            assertThat(github.deliveries()).containsExactly("queued " + job + " 204");
        } finally {
            Files.deleteIfExists(socket);
            Files.delete(directory);
        }
    }

    @Test
    public void beforeThereIsATargetNothingIsSent() throws Exception {
        try (EmbeddedGitHub quiet = new EmbeddedGitHub(Clock.systemUTC())) {
            quiet.addRepository(REPOSITORY);
            quiet.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "early", "build", "true"));
            quiet.webhookTarget(inbox.target());
            quiet.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "late", "build", "true"));
            assertThat(inbox.take().summary()).isEqualTo("queued late");
        }
    }
}
