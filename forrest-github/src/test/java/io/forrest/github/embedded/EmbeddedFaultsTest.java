package io.forrest.github.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.net.ConnectException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** GitHub's bad days, on demand. */
public class EmbeddedFaultsTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final String RUNNERS = "/repos/acme/firmware/actions/runners";

    private EmbeddedGitHub github;
    private RawClient client;
    private String token;

    @BeforeMethod
    public void start() throws Exception {
        github = new EmbeddedGitHub(Clock.systemUTC());
        github.addRepository(REPOSITORY);
        client = new RawClient(github, Clock.systemUTC());
        token = client.installationToken(REPOSITORY);
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        github.close();
    }

    private RawClient.Reply register() throws Exception {
        return client.register(REPOSITORY, token, RawClient.jitRequest("runner", "build"));
    }

    @DataProvider
    public Object[][] statuses() {
        return new Object[][] {{500}, {502}, {503}, {403}, {429}, {404}};
    }

    @Test(dataProvider = "statuses")
    public void theNextRequestsAreRefusedAndNotCarriedOut(int status) throws Exception {
        github.faults().failNext(2, Faults.Fault.status(status));
        assertThat(register().status()).isEqualTo(status);
        assertThat(register().status()).isEqualTo(status);
        assertThat(github.runners()).isEmpty();
        assertThat(register().status()).isEqualTo(201);
    }

    @Test
    public void aLimitSaysSoAndHowLongToWait() throws Exception {
        github.faults().failNext(1, Faults.Fault.status(429, Duration.ofSeconds(7)));
        RawClient.Reply reply = register();
        assertThat(reply.status()).isEqualTo(429);
        assertThat(reply.header("Retry-After")).contains("7");
        assertThat(reply.message()).contains("secondary rate limit");
    }

    @Test
    public void anErrorMayComeThoughTheRequestWasCarriedOut() throws Exception {
        github.faults().failNext(1, Faults.Fault.statusThoughDone(502));
        assertThat(register().status()).isEqualTo(502);
        assertThat(github.runners()).hasSize(1);
        assertThat(register().status()).isEqualTo(409);
    }

    @Test
    public void aConnectionIsCutBeforeTheRequestIsCarriedOut() throws Exception {
        github.faults().failNext(1, Faults.Fault.cut());
        assertThatThrownBy(this::register).isInstanceOf(IOException.class);
        assertThat(github.runners()).isEmpty();
        assertThat(github.requests()).contains("POST " + RUNNERS + "/generate-jitconfig cut");
        assertThat(register().status()).isEqualTo(201);
    }

    @Test
    public void aConnectionIsCutAfterTheRequestWasCarriedOut() throws Exception {
        github.faults().failNext(1, Faults.Fault.cutThoughDone());
        assertThatThrownBy(this::register).isInstanceOf(IOException.class);
        assertThat(github.runners()).hasSize(1);
        assertThat(register().status()).isEqualTo(409);
    }

    @Test
    public void anOutageLastsUntilItIsOver() throws Exception {
        github.faults().failAll(Optional.of(Faults.Fault.status(503)));
        for (int i = 0; i < 5; i++) {
            assertThat(client.get(RUNNERS, token).status()).isEqualTo(503);
        }
        github.faults().failAll(Optional.empty());
        assertThat(client.get(RUNNERS, token).status()).isEqualTo(200);
    }

    @Test
    public void allFaultsEndAtOnce() throws Exception {
        github.faults().failNext(5, Faults.Fault.status(500));
        github.faults().failAll(Optional.of(Faults.Fault.cut()));
        github.faults().failSometimes(1, 1, Faults.Fault.status(502));
        github.faults().rateLimit(0);
        github.faults().clear();
        assertThat(client.get(RUNNERS, token).status()).isEqualTo(200);
    }

    @Test
    public void chanceIsRepeatable() throws Exception {
        List<Integer> first = withChance(42);
        assertThat(first).contains(200, 500);
        assertThat(withChance(42)).isEqualTo(first);
        assertThat(withChance(43)).isNotEqualTo(first);
    }

    @Test
    public void halfAnAnswerComesThoughTheRequestWasCarriedOut() throws Exception {
        github.faults().failNext(1, Faults.Fault.half());
        assertThatThrownBy(this::register).isInstanceOf(IOException.class);
        assertThat(github.runners()).hasSize(1);
    }

    @Test
    public void aSilentConnectionEndsWithoutAnAnswer() throws Exception {
        github.faults().failNext(1, Faults.Fault.silent(Duration.ofMillis(200)));
        long startNanos = System.nanoTime();
        assertThatThrownBy(this::register).isInstanceOf(IOException.class);
        assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isGreaterThanOrEqualTo(Duration.ofMillis(200));
        assertThat(github.runners()).isEmpty();
    }

    @Test
    public void whileItIsDownConnectionsAreRefused() throws Exception {
        client.get(RUNNERS, token);
        github.goDown();
        for (int i = 0; i < 3; i++) {
            assertThatThrownBy(() -> client.get(RUNNERS, token)).isInstanceOf(ConnectException.class);
        }
        github.comeUp();
        assertThat(client.get(RUNNERS, token).status()).isEqualTo(200);
    }

    @Test
    public void aShareOfTheRequestsFailsInAllWaysRepeatably() {
        List<String> first = outcomes(42);
        assertThat(outcomes(42)).isEqualTo(first);
        assertThat(outcomes(43)).isNotEqualTo(first);
        assertThat(first)
                .contains("none", "status 500", "status 502", "status 403", "cut", "cut though done", "half", "silent");
        assertThat(first.stream().filter("none"::equals).count()).isBetween(250L, 350L);
    }

    /** Of 600 requests, by seed, when half of them fail. */
    private List<String> outcomes(long seed) {
        Faults faults = new Faults();
        faults.randomly(0.5, seed);
        List<String> outcomes = new ArrayList<>();
        for (int i = 0; i < 600; i++) {
            outcomes.add(faults.forRequest().map(EmbeddedFaultsTest::name).orElse("none"));
        }
        return outcomes;
    }

    private static String name(Faults.Fault fault) {
        if (fault.status().isPresent()) {
            return "status " + fault.status().getAsInt();
        }
        if (fault.isHalf()) {
            return "half";
        }
        return fault.silence().isZero() ? fault.carriedOut() ? "cut though done" : "cut" : "silent";
    }

    private List<Integer> withChance(long seed) throws Exception {
        github.faults().failSometimes(0.5, seed, Faults.Fault.status(500));
        List<Integer> statuses = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            statuses.add(client.get(RUNNERS, token).status());
        }
        return statuses;
    }
}
