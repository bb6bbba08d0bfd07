package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.config.ForrestConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.jobs.JobBoard;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Whatever comes to the webhook's address, there is one answer with one line, and no harm. */
public class WebhookReceiverTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Instant NOW = Instant.parse("2026-03-01T10:00:00Z");

    private final ForrestConfig config = TestConfigs.config(Path.of("/nonexistent"), "1G");
    private final List<JobObservation> seen = new ArrayList<>();
    private CapturedLog log;
    private WebhookReceiver receiver;

    @BeforeMethod
    public void start() {
        seen.clear();
        log = new CapturedLog();
        receiver = new WebhookReceiver(config.github(), () -> config, new ManualClock(NOW));
        receiver.start(seen::add);
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        log.close();
    }

    private static ObjectNode event(String action, String status) {
        ObjectNode event = JSON.createObjectNode().put("action", action);
        ObjectNode job = event.putObject("workflow_job")
                .put("id", 50_000_000_001L)
                .put("run_id", 20_000_000_001L)
                .put("head_sha", "0123456789abcdef0123456789abcdef01234567")
                .put("status", status);
        job.putNull("runner_name").putNull("runner_id");
        job.putArray("labels").add("self-hosted").add("forrest").add("build");
        event.putObject("repository").put("full_name", "acme/firmware");
        return event;
    }

    private static String hmac(String secret, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(body));
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    private WebhookAnswer receive(String event, Optional<String> signature, byte[] body) {
        Map<String, String> headers = new HashMap<>();
        headers.put("x-github-event", event);
        signature.ifPresent(value -> headers.put("x-hub-signature-256", value));
        WebhookAnswer answer = receiver.receive(headers, body);
        assertThat(answer.line()).isNotBlank().doesNotContain("\n").hasSizeLessThan(300);
        return answer;
    }

    private WebhookAnswer receive(String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        return receive("workflow_job", Optional.of("sha256=" + hmac("webhook", bytes)), bytes);
    }

    private WebhookAnswer receive(ObjectNode event) {
        return receive(event.toString());
    }

    private void assertRefused(WebhookAnswer answer, int status, String... words) {
        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.line()).contains(words);
        assertThat(seen).isEmpty();
        // The same line for who reads the log.
        assertThat(log.ofForrest(Level.WARN)).containsExactly(answer.line());
    }

    @Test
    public void aSignedJobIsTaken() {
        assertThat(receive(event("queued", "queued")).status()).isEqualTo(200);
        assertThat(seen)
                .containsExactly(new JobObservation(
                        new JobId(50_000_000_001L),
                        20_000_000_001L,
                        new RepositoryId("acme", "firmware"),
                        List.of("self-hosted", "forrest", "build"),
                        JobStatus.QUEUED,
                        Optional.empty(),
                        Optional.of("0123456789abcdef0123456789abcdef01234567"),
                        NOW,
                        "webhook"));
    }

    @Test
    public void aRunnersNameIsTakenAndItsNumberMayBeAnySize() {
        ObjectNode event = event("in_progress", "in_progress");
        ((ObjectNode) event.path("workflow_job"))
                .put("runner_name", "forrest-build-1")
                .put("runner_id", 99_999_999_999L);
        assertThat(receive(event).status()).isEqualTo(200);
        assertThat(seen).singleElement().satisfies(job -> assertThat(job.runnerName())
                .contains("forrest-build-1"));
    }

    @DataProvider
    public Object[][] statuses() {
        return new Object[][] {
            {"queued", "queued", JobStatus.QUEUED},
            {"queued", "waiting", JobStatus.WAITING},
            {"waiting", "waiting", JobStatus.WAITING},
            {"in_progress", "queued", JobStatus.IN_PROGRESS},
            {"in_progress", "in_progress", JobStatus.IN_PROGRESS},
            {"completed", "completed", JobStatus.COMPLETED},
        };
    }

    @Test(dataProvider = "statuses")
    public void theActionSaysHowFarAJobIsUnlessItIsQueuedAndWaits(String action, String status, JobStatus expected) {
        assertThat(receive(event(action, status)).status()).isEqualTo(200);
        assertThat(seen).extracting(JobObservation::status).containsExactly(expected);
    }

    @Test
    public void withoutASignatureNothingIsTaken() {
        byte[] body = event("queued", "queued").toString().getBytes(StandardCharsets.UTF_8);
        assertRefused(receive("workflow_job", Optional.empty(), body), 400, "X-Hub-Signature-256");
    }

    @DataProvider
    public Object[][] wrongSignatures() {
        String right = hmac("webhook", "{}".getBytes(StandardCharsets.UTF_8));
        return new Object[][] {
            {""},
            {"sha256="},
            {right},
            {"sha1=" + right},
            {"sha256=" + right.substring(1)},
            {"sha256=" + right + "0"},
            {"sha256=" + right + " "},
            {"sha256=" + right.substring(0, 63) + (right.endsWith("0") ? "1" : "0")},
            {"sha256=" + hmac("other", "{}".getBytes(StandardCharsets.UTF_8))},
            {"sha256=" + hmac("webhook", "{ }".getBytes(StandardCharsets.UTF_8))},
            {"sha256=\u00e4" + right.substring(1)},
            {"x".repeat(100_000)},
        };
    }

    @Test(dataProvider = "wrongSignatures")
    public void withAWrongSignatureNothingIsEvenRead(String signature) {
        assertRefused(
                receive("workflow_job", Optional.of(signature), "{}".getBytes(StandardCharsets.UTF_8)),
                400,
                "wrong signature");
    }

    @Test
    public void aSignatureInUpperCaseIsTheSame() {
        byte[] body = event("queued", "queued").toString().getBytes(StandardCharsets.UTF_8);
        String signature = "sha256=" + hmac("webhook", body).toUpperCase(Locale.ROOT);
        assertThat(receive("workflow_job", Optional.of(signature), body).status())
                .isEqualTo(200);
    }

    @Test
    public void gitHubsOwnExampleOfASignatureIsRight() {
        // From GitHub's page "Validating webhook deliveries".
        assertThat(WebhookSignature.matches(
                        Secret.of("It's a Secret to Everybody"),
                        "Hello, World!".getBytes(StandardCharsets.UTF_8),
                        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"))
                .isTrue();
    }

    @Test
    public void withAnEmptySecretNothingIsSigned() {
        assertThat(WebhookSignature.matches(Secret.of(""), new byte[0], "sha256=" + "0".repeat(64)))
                .isFalse();
    }

    @DataProvider
    public Object[][] otherEvents() {
        return new Object[][] {{"ping"}, {"push"}, {"workflow_run"}, {"installation"}, {""}};
    }

    @Test(dataProvider = "otherEvents")
    public void otherEventsAreOfNoInterestWhateverIsInThem(String event) {
        byte[] body = "not even JSON".getBytes(StandardCharsets.UTF_8);
        assertThat(receive(event, Optional.of("sha256=" + hmac("webhook", body)), body)
                        .status())
                .isEqualTo(204);
        assertThat(log.ofForrest(Level.WARN)).isEmpty();
    }

    @Test
    public void otherEventsMustBeSignedToo() {
        assertRefused(receive("ping", Optional.of("sha256=0"), new byte[0]), 400, "wrong signature");
    }

    @Test
    public void aRepositoryThatIsNotConfiguredIsRefused() {
        ObjectNode event = event("queued", "queued");
        event.putObject("repository").put("full_name", "acme/other");
        assertRefused(receive(event), 401, "acme/other", "configuration");
    }

    @Test
    public void theCaseOfARepositorysNameDoesNotMatter() {
        ObjectNode event = event("queued", "queued");
        event.putObject("repository").put("full_name", "ACME/Firmware");
        assertThat(receive(event).status()).isEqualTo(200);
    }

    @Test
    public void unknownActionsAndStatusesAreOfNoInterest() {
        assertThat(receive(event("celebrated", "completed")).status()).isEqualTo(204);
        assertThat(receive(event("queued", "astonished")).status()).isEqualTo(204);
        assertThat(seen).isEmpty();
    }

    @Test
    public void unknownLabelsAreToldAsTheyAre() {
        ObjectNode event = event("queued", "queued");
        ((ObjectNode) event.path("workflow_job")).putArray("labels").add("ubuntu-latest");
        assertThat(receive(event).status()).isEqualTo(200);
        assertThat(seen).extracting(JobObservation::labels).containsExactly(List.of("ubuntu-latest"));
    }

    @Test
    public void whatIsRepeatedOrOvertakenChangesNothingInTheEnd() {
        for (String action : List.of("completed", "queued", "in_progress", "queued", "queued", "completed")) {
            assertThat(receive(event(action, action)).status()).isEqualTo(200);
        }
        JobBoard board = new JobBoard();
        seen.forEach(board::observe);
        assertThat(board.queued()).isEmpty();
        assertThat(board.all()).singleElement().satisfies(job -> assertThat(job.status())
                .isEqualTo(JobStatus.COMPLETED));
    }

    private static Object[] with(String what, Consumer<ObjectNode> change) {
        ObjectNode event = event("queued", "queued");
        change.accept(event);
        return new Object[] {what, event.toString()};
    }

    private static Consumer<ObjectNode> job(Consumer<ObjectNode> change) {
        return event -> change.accept((ObjectNode) event.path("workflow_job"));
    }

    private static void labels(ObjectNode job, int count) {
        ArrayNode labels = job.putArray("labels");
        for (int i = 0; i < count; i++) {
            labels.add("label");
        }
    }

    @DataProvider
    public Object[][] incompleteEvents() {
        return new Object[][] {
            with("action", event -> event.remove("action")),
            with("action", event -> event.put("action", 1)),
            with("full_name", event -> event.remove("repository")),
            with("full_name", event -> event.put("repository", "acme/firmware")),
            with("full_name", event -> event.putObject("repository").put("full_name", "firmware")),
            with("full_name", event -> event.putObject("repository").put("full_name", "../../etc")),
            with("full_name", event -> event.putObject("repository").put("full_name", "acme/firmware\nadmin")),
            with("status", event -> event.remove("workflow_job")),
            with("status", event -> event.put("workflow_job", "x")),
            with("status", job(job -> job.remove("status"))),
            with("id", job(job -> job.remove("id"))),
            with("id", job(job -> job.put("id", "7"))),
            with("id", job(job -> job.put("id", 1.5))),
            with("id", job(job -> job.putNull("id"))),
            with("run_id", job(job -> job.remove("run_id"))),
            with("run_id", job(job -> job.put("run_id", new BigInteger("9".repeat(30))))),
            with("labels", job(job -> job.remove("labels"))),
            with("labels", job(job -> job.put("labels", "build"))),
            with("label", job(job -> job.putArray("labels").add(1))),
            with("labels", job(job -> labels(job, 101))),
        };
    }

    @Test(dataProvider = "incompleteEvents")
    public void whatIsMissingOrOfTheWrongKindIsNamed(String what, String body) {
        assertRefused(receive(body), 400, what, "workflow_job");
    }

    @DataProvider
    public Object[][] notEvents() {
        return new Object[][] {
            {""},
            {"null"},
            {"7"},
            {"\"text\""},
            {"[]"},
            {"[" + event("queued", "queued") + "]"},
            {"{"},
            {"{}"},
            {"{\"action\":"},
            {event("queued", "queued") + "garbage"},
            {event("queued", "queued") + " {}"},
            {event("queued", "queued").toString().replaceFirst("\\{", "{\"action\":\"completed\",")},
            {"[".repeat(100_000)},
            {"{\"a\":".repeat(5_000) + "1" + "}".repeat(5_000)},
            {"{\"action\":" + "9".repeat(100_000) + "}"},
            {"{\"action\":1e999999999}"},
            {"{\"action\":\"" + "x".repeat(25_000_000) + "\"}"},
            {"payload=%7B%22action%22%3A%22queued%22%7D"},
            {"\0\0\0"},
            {"<xml/>"},
        };
    }

    @Test(dataProvider = "notEvents")
    public void whatIsNoEventIsABadRequest(String body) {
        assertRefused(receive(body), 400, "signed webhook");
    }

    @Test
    public void aNumberTooLargeForAnyoneIsNoNumberOfAJob() {
        String body = event("queued", "queued").toString();
        assertRefused(receive(body.replace("50000000001", "9223372036854775808")), 400, "\"id\"");
        receive(body.replace("50000000001", "9223372036854775807"));
        assertThat(seen).extracting(JobObservation::job).containsExactly(new JobId(Long.MAX_VALUE));
    }

    @Test
    public void beforeTheStartAndAfterTheEndForrestIsNotUp() {
        WebhookReceiver early = new WebhookReceiver(config.github(), () -> config, new ManualClock(NOW));
        receiver = early;
        assertThat(receive(event("queued", "queued")).status()).isEqualTo(503);
        early.start(seen::add);
        assertThat(receive(event("queued", "queued")).status()).isEqualTo(200);
        early.close();
        assertThat(receive(event("queued", "queued")).status()).isEqualTo(503);
        assertThat(seen).hasSize(1);
    }
}
