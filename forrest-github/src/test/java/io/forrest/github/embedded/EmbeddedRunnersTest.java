package io.forrest.github.embedded;

import static io.forrest.github.embedded.RawClient.jitRequest;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.testing.ManualClock;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Jobs find runners as they do at GitHub. */
public class EmbeddedRunnersTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final Instant NOON = Instant.parse("2026-03-01T12:00:00Z");
    private static final long PATIENCE_SECONDS = 30;

    private ManualClock clock;
    private EmbeddedGitHub github;
    private RawClient client;
    private String token;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(NOON);
        github = new EmbeddedGitHub(clock);
        github.addRepository(REPOSITORY);
        client = new RawClient(github, clock);
        token = client.installationToken(REPOSITORY);
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        github.close();
    }

    private GuestRunner register(String name, String... labels) throws Exception {
        RawClient.Reply reply = client.register(REPOSITORY, token, jitRequest(name, labels));
        assertThat(reply.status()).isEqualTo(201);
        return new GuestRunner(reply.body().path("encoded_jit_config").asText());
    }

    private GuestRunner online(String name, String... labels) throws Exception {
        GuestRunner runner = register(name, labels);
        assertThat(runner.connect()).isEqualTo(204);
        return runner;
    }

    private JobId queue(String script, String... labels) {
        return github.queueJob(
                new EmbeddedGitHub.JobRequest(REPOSITORY, "build", "push", List.of(labels), script, false));
    }

    private static CompletableFuture<Optional<String>> takeJob(GuestRunner runner) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return runner.takeJob();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    private EmbeddedRunner only() {
        assertThat(github.runners()).hasSize(1);
        return github.runners().get(0);
    }

    private RawClient.Reply remove(EmbeddedRunner runner) throws Exception {
        return client.call("DELETE", "/repos/acme/firmware/actions/runners/" + runner.id(), token, "");
    }

    @Test
    public void aJobGoesToAnIdleRunnerThatHasItsLabelsAndMore() throws Exception {
        register("offline", "self-hosted", "forrest", "build");
        GuestRunner other = online("other", "self-hosted", "forrest", "test");
        GuestRunner fits = online("fits", "self-hosted", "Forrest", "build", "more");
        CompletableFuture<Optional<String>> ofOther = takeJob(other);
        JobId job = queue("make", "self-hosted", "forrest", "BUILD");
        assertThat(fits.takeJob()).contains("make");
        assertThat(github.job(job).runnerName()).contains("fits");
        assertThat(ofOther).isNotDone();
    }

    @Test
    public void aJobIsNotBoundToTheRunnerThatWasMadeForIt() throws Exception {
        JobId first = queue("first", "build");
        register("for-the-first", "build");
        JobId second = queue("second", "build");
        GuestRunner quick = online("for-the-second", "build");
        assertThat(quick.takeJob()).contains("first");
        assertThat(github.job(first).runnerName()).contains("for-the-second");
        assertThat(github.job(second).status()).isEqualTo("queued");
    }

    @Test
    public void aRunnerThatWaitsIsGivenAJobAtOnce() throws Exception {
        CompletableFuture<Optional<String>> taken = takeJob(online("runner", "build"));
        queue("make", "build");
        assertThat(taken.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).contains("make");
    }

    @Test
    public void aRunnerOfAnotherRepositoryGetsNothing() throws Exception {
        RepositoryId images = new RepositoryId("acme", "images");
        github.addRepository(images);
        github.queueJob(EmbeddedGitHub.JobRequest.push(images, "theirs", "build", "theirs"));
        GuestRunner runner = online("runner", "self-hosted", "forrest", "build");
        queue("ours", "self-hosted", "forrest", "build");
        assertThat(runner.takeJob()).contains("ours");
    }

    @Test
    public void aRunnerTakesOneJobAndIsGone() throws Exception {
        GuestRunner runner = online("runner", "build");
        JobId job = queue("make", "build");
        queue("next", "build");
        assertThat(runner.takeJob()).contains("make");
        assertThat(only().busy()).isTrue();
        // It did not hear the answer and asks again: it has the job already, and gets no other.
        assertThat(runner.takeJob()).contains("make");
        assertThat(runner.log("compiling\n")).isEqualTo(204);
        assertThat(runner.log("linking\n")).isEqualTo(204);
        assertThat(runner.end("success")).isEqualTo(204);
        assertThat(github.job(job).conclusion()).contains("success");
        assertThat(github.job(job).log()).isEqualTo("compiling\nlinking\n");
        assertThat(github.runners()).isEmpty();
        assertThat(runner.connect()).isEqualTo(410);
        assertThat(runner.takeJob()).isEmpty();
    }

    @Test
    public void anythingButSuccessIsAFailure() throws Exception {
        GuestRunner runner = online("runner", "build");
        JobId job = queue("make", "build");
        runner.takeJob();
        runner.end("exit code 1");
        assertThat(github.job(job).conclusion()).contains("failure");
    }

    @Test
    public void aJobRemembersWhenItWasQueuedStartedAndOver() throws Exception {
        JobId job = queue("make", "build");
        clock.advance(Duration.ofSeconds(10));
        GuestRunner runner = online("runner", "build");
        runner.takeJob();
        clock.advance(Duration.ofSeconds(20));
        runner.end("success");
        EmbeddedJob over = github.job(job);
        assertThat(over.createdAt()).isEqualTo(NOON);
        assertThat(over.startedAt()).contains(NOON.plusSeconds(10));
        assertThat(over.completedAt()).contains(NOON.plusSeconds(30));
        assertThat(github.jobs()).containsExactly(over);
    }

    @Test
    public void aRunnerAtWorkIsNotRemovedAnIdleOneStopsWaiting() throws Exception {
        GuestRunner runner = online("runner", "build");
        CompletableFuture<Optional<String>> taken = takeJob(online("idle", "test"));
        queue("make", "build");
        runner.takeJob();
        EmbeddedRunner busy = github.runners().stream()
                .filter(EmbeddedRunner::busy)
                .findFirst()
                .orElseThrow();
        RawClient.Reply refused = remove(busy);
        assertThat(refused.status()).isEqualTo(422);
        assertThat(refused.message()).contains("running a job");
        EmbeddedRunner idle = github.runners().stream()
                .filter(other -> !other.busy())
                .findFirst()
                .orElseThrow();
        assertThat(remove(idle).status()).isEqualTo(204);
        assertThat(taken.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).isEmpty();
        assertThat(runner.end("success")).isEqualTo(204);
    }

    @Test
    public void aJobThatIsCancelledTakesItsRunnerWithIt() throws Exception {
        GuestRunner runner = online("runner", "build");
        JobId running = queue("make", "build");
        runner.takeJob();
        JobId queued = queue("next", "build");
        github.cancelJob(running);
        github.cancelJob(queued);
        github.cancelJob(queued);
        assertThat(github.jobs()).extracting(EmbeddedJob::conclusion).containsOnly(Optional.of("cancelled"));
        assertThat(github.runners()).isEmpty();
        assertThat(runner.end("success")).isEqualTo(410);
        assertThat(github.job(running).conclusion()).contains("cancelled");
    }

    @Test
    public void aJobThatNeedsApprovalIsForNobodyBeforeIt() throws Exception {
        JobId job = github.queueJob(
                new EmbeddedGitHub.JobRequest(REPOSITORY, "deploy", "push", List.of("build"), "deploy", true));
        CompletableFuture<Optional<String>> taken = takeJob(online("runner", "build"));
        assertThat(github.job(job).status()).isEqualTo("waiting");
        assertThat(taken).isNotDone();
        github.approve(job);
        assertThat(taken.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).contains("deploy");
    }

    @Test
    public void aRunnerThatIsNotHeardOfIsOfflineUnlessItIsAtWork() throws Exception {
        GuestRunner runner = register("runner", "build");
        assertThat(only().online()).isFalse();
        runner.connect();
        assertThat(only().online()).isTrue();
        clock.advance(Duration.ofSeconds(59));
        assertThat(only().online()).isTrue();
        clock.advance(Duration.ofSeconds(2));
        assertThat(only().online()).isFalse();
        queue("make", "build");
        runner.takeJob();
        clock.advance(Duration.ofHours(1));
        assertThat(only().online()).isTrue();
    }

    @Test
    public void aRunnerThatIsSilentAtWorkLosesItsJobAndIsLeftOffline() throws Exception {
        GuestRunner silent = online("silent", "build");
        GuestRunner alive = online("alive", "test");
        GuestRunner idle = online("idle", "idle");
        JobId lost = queue("make", "build");
        JobId kept = queue("test", "test");
        silent.takeJob();
        alive.takeJob();
        clock.advance(Duration.ofSeconds(20));
        assertThat(alive.alive()).isEqualTo(204);
        clock.advance(Duration.ofSeconds(10));
        github.loseSilentRunners(Duration.ofSeconds(30));
        assertThat(github.job(lost).conclusion()).contains("failure");
        assertThat(github.job(kept).status()).isEqualTo("in_progress");
        assertThat(github.runners())
                .extracting(EmbeddedRunner::name, EmbeddedRunner::online, EmbeddedRunner::busy)
                .containsExactly(tuple("silent", false, false), tuple("alive", true, true), tuple("idle", true, false));
        assertThat(silent.end("success")).isEqualTo(410);
        assertThat(github.job(lost).conclusion()).contains("failure");
        assertThat(remove(github.runners().get(0)).status()).isEqualTo(204);
        assertThat(idle.connect()).isEqualTo(204);
    }

    @Test
    public void aStrangerIsToldThatHeIsGone() throws Exception {
        GuestRunner stranger = new GuestRunner(Base64.getEncoder()
                .encodeToString(("{\"url\":\"" + github.apiUrl() + "/runner\",\"token\":\"made-up\"}")
                        .getBytes(StandardCharsets.UTF_8)));
        assertThat(stranger.connect()).isEqualTo(410);
    }
}
