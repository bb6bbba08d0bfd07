package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.config.ForrestConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub.JobRequest;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.github.embedded.GuestRunner;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What is particular to polling; the rest is in the contract. */
public class JobPollerTest {
    private static final Duration OFTEN = Duration.ofMillis(50);

    private ManualClock clock;
    private Rig rig;
    private BlockingQueue<JobObservation> seen;
    private Optional<JobPoller> poller;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        seen = new LinkedBlockingQueue<>();
        poller = Optional.empty();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        poller.ifPresent(JobPoller::close);
        rig.close();
    }

    private JobPoller poll(RepositoryId... repositories) throws Exception {
        ForrestConfig whole = rig.whole(rig.config(), repositories);
        return poll(rig.connection(), new AtomicReference<>(whole));
    }

    private JobPoller poll(GitHubConnection connection, AtomicReference<ForrestConfig> config) {
        JobPoller made = new JobPoller(
                connection, rig.config(rig.github.apiUrl(), OFTEN), config::get, clock, rig.pollingState());
        poller = Optional.of(made);
        made.start(seen::add);
        return made;
    }

    private JobId queue(String name) {
        return rig.github.queueJob(JobRequest.push(Rig.FIRMWARE, name, "build", "true"));
    }

    private JobObservation await(Predicate<JobObservation> like) throws InterruptedException {
        while (true) {
            JobObservation next = seen.poll(30, TimeUnit.SECONDS);
            assertThat(next).as("nothing is seen").isNotNull();
            if (like.test(next)) {
                return next;
            }
        }
    }

    private JobObservation await(JobId job, JobStatus status) throws InterruptedException {
        return await(next -> next.job().equals(job) && next.status() == status);
    }

    private static void await(BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("nothing happens").isLessThan(deadlineNanos);
            Thread.onSpinWait();
        }
    }

    /** One for each look that has begun. */
    private List<String> looks() {
        return rig.requests("/actions/runs?per_page=100 ");
    }

    /** Waits until this many further looks have begun. */
    private void awaitLooks(int count) {
        int before = looks().size();
        await(() -> looks().size() >= before + count);
    }

    private GuestRunner runner() throws Exception {
        GuestRunner runner = new GuestRunner(new GitHubRunnerBroker(rig.connection())
                .register(MachineId.random(TestConfigs.typeId("build")))
                .jitConfig()
                .reveal());
        runner.connect();
        return runner;
    }

    @Test
    public void numbersBeyondThirtyTwoBitsAreNumbers() throws Exception {
        JobId job = queue("build");
        GuestRunner runner = runner();
        runner.takeJob();
        poll(Rig.FIRMWARE);
        JobObservation found = await(job, JobStatus.IN_PROGRESS);
        assertThat(found.job().value()).isGreaterThan(Integer.MAX_VALUE);
        assertThat(found.workflowRunId()).isGreaterThan(Integer.MAX_VALUE);
        assertThat(rig.github.job(job).runnerId().orElseThrow()).isGreaterThan(Integer.MAX_VALUE);
    }

    @Test
    public void noRunIsForgottenHoweverManyThereAre() throws Exception {
        Set<JobId> jobs =
                IntStream.range(0, 120).mapToObj(i -> queue("build-" + i)).collect(Collectors.toSet());
        poll(Rig.FIRMWARE);
        Set<JobId> missing = new HashSet<>(jobs);
        await(next -> {
            missing.remove(next.job());
            return missing.isEmpty();
        });
    }

    @Test
    public void olderJobsAreToldOfFirst() throws Exception {
        List<JobId> jobs = List.of(queue("one"), queue("two"), queue("three"));
        poll(Rig.FIRMWARE);
        List<JobId> order = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            order.add(await(next -> true).job());
        }
        assertThat(order).isEqualTo(jobs);
    }

    @Test
    public void theEndOfAJobIsLearnedOfAndReadOnce() throws Exception {
        JobId job = queue("build");
        poll(Rig.FIRMWARE);
        await(job, JobStatus.QUEUED);
        rig.github.cancelJob(job);
        await(job, JobStatus.COMPLETED);
        awaitLooks(2);
        int reads = rig.requests("/jobs").size();
        seen.clear();
        awaitLooks(3);
        assertThat(rig.requests("/jobs")).hasSize(reads);
        assertThat(seen).isEmpty();
    }

    @Test
    public void whatEndedLongBeforeTheStartIsNotReadAtAll() throws Exception {
        rig.github.cancelJob(queue("old"));
        clock.advance(Duration.ofMinutes(10));
        poll(Rig.FIRMWARE);
        awaitLooks(2);
        assertThat(rig.requests("/jobs")).isEmpty();
        assertThat(rig.requests("/actions/runs")).isNotEmpty();
    }

    @Test
    public void aJobThatIsOlderThanADayIsFollowedToItsEnd() throws Exception {
        JobId job = queue("long");
        GuestRunner runner = runner();
        runner.takeJob();
        poll(Rig.FIRMWARE);
        await(job, JobStatus.IN_PROGRESS);
        clock.advance(Duration.ofHours(30));
        awaitLooks(2);
        seen.clear();
        await(job, JobStatus.IN_PROGRESS);
        runner.end("success");
        await(job, JobStatus.COMPLETED);
        awaitLooks(2);
        seen.clear();
        awaitLooks(2);
        assertThat(seen).isEmpty();
    }

    @Test
    public void aRunThatIsRunAgainDaysLaterIsFound() throws Exception {
        // As a run keeps its date, this is what an old run that was queued again looks like.
        JobId job = queue("again");
        clock.advance(Duration.ofDays(3));
        poll(Rig.FIRMWARE);
        await(job, JobStatus.QUEUED);
    }

    @Test
    public void aJobThatWaitsForApprovalIsNotQueued() throws Exception {
        JobId job = rig.github.queueJob(new JobRequest(Rig.FIRMWARE, "deploy", "push", List.of("build"), "true", true));
        poll(Rig.FIRMWARE);
        await(job, JobStatus.WAITING);
        rig.github.approve(job);
        await(job, JobStatus.QUEUED);
    }

    @Test
    public void afterAnOutageEverythingIsFound() throws Exception {
        rig.github.faults().failAll(Optional.of(Fault.status(503)));
        poll(Rig.FIRMWARE);
        JobId job = queue("build");
        await(() -> rig.requests(" 503").size() >= 3);
        assertThat(seen).isEmpty();
        rig.github.faults().failAll(Optional.empty());
        await(job, JobStatus.QUEUED);
        rig.github.faults().failAll(Optional.of(Fault.cut()));
        rig.github.cancelJob(job);
        await(() -> rig.requests(" cut").size() >= 3);
        rig.github.faults().failAll(Optional.empty());
        await(job, JobStatus.COMPLETED);
    }

    @DataProvider
    public Object[][] limits() {
        return new Object[][] {{403}, {429}};
    }

    @Test(dataProvider = "limits")
    public void aLimitIsRespectedAndPollingGoesOnAfterIt(int status) throws Exception {
        poll(Rig.FIRMWARE);
        awaitLooks(1);
        rig.github.faults().failNext(1, Fault.status(status, Duration.ofMinutes(2)));
        await(() -> !rig.requests(" " + status).isEmpty());
        int before = rig.github.requests().size();
        JobId job = queue("build");
        assertThat(seen.poll(500, TimeUnit.MILLISECONDS)).isNull();
        assertThat(rig.github.requests()).hasSize(before);
        clock.advance(Duration.ofMinutes(2));
        await(job, JobStatus.QUEUED);
    }

    @Test
    public void aRevokedTokenIsReplacedUnderway() throws Exception {
        poll(Rig.FIRMWARE);
        awaitLooks(1);
        rig.github.revokeTokens();
        await(queue("build"), JobStatus.QUEUED);
        assertThat(rig.requests("/access_tokens")).hasSize(2);
    }

    @Test
    public void aRepositoryWithoutTheAppDoesNotHideTheOthers() throws Exception {
        poll(new RepositoryId("aaa", "stranger"), Rig.FIRMWARE, new RepositoryId("zzz", "stranger"));
        await(queue("build"), JobStatus.QUEUED);
    }

    @Test
    public void repositoriesComeAndGoWithTheConfiguration() throws Exception {
        AtomicReference<ForrestConfig> config = new AtomicReference<>(rig.whole(rig.config()));
        JobId job = queue("build");
        poll(rig.connection(), config);
        assertThat(seen.poll(300, TimeUnit.MILLISECONDS)).isNull();
        config.set(rig.whole(rig.config(), Rig.FIRMWARE));
        await(job, JobStatus.QUEUED);
        config.set(rig.whole(rig.config()));
        // A look may be under way; after it there are none.
        await(() -> {
            int before = rig.github.requests().size();
            seen.clear();
            return nothingFor(OFTEN.multipliedBy(6)) && rig.github.requests().size() == before;
        });
    }

    private boolean nothingFor(Duration time) {
        try {
            return seen.poll(time.toMillis(), TimeUnit.MILLISECONDS) == null;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    public void aSinkOrAConfigurationThatThrowsDoesNotEndThePolling() throws Exception {
        JobId job = queue("build");
        ForrestConfig whole = rig.whole(rig.config(), Rig.FIRMWARE);
        AtomicReference<Integer> calls = new AtomicReference<>(0);
        JobPoller made = new JobPoller(
                rig.connection(),
                rig.config(rig.github.apiUrl(), OFTEN),
                () -> {
                    if (calls.getAndUpdate(count -> count + 1) == 0) {
                        throw new LinkageError("a bug elsewhere");
                    }
                    return whole;
                },
                clock,
                rig.pollingState());
        poller = Optional.of(made);
        made.start(observation -> {
            if (calls.getAndUpdate(count -> count + 1) < 3) {
                throw new IllegalStateException("another bug elsewhere");
            }
            seen.add(observation);
        });
        await(job, JobStatus.QUEUED);
    }

    @Test
    public void aFreshLookIsTakenSoonWhenAsked() throws Exception {
        ForrestConfig whole = rig.whole(rig.config(), Rig.FIRMWARE);
        JobPoller made = new JobPoller(rig.connection(), rig.config(), () -> whole, clock, rig.pollingState());
        poller = Optional.of(made);
        made.start(seen::add);
        // The last list of a first look.
        await(() -> !rig.requests("status=pending").isEmpty());
        JobId job = queue("build");
        for (int i = 0; i < 50; i++) {
            made.refresh();
        }
        await(job, JobStatus.QUEUED);
        assertThat(looks()).hasSize(2);
    }

    @Test
    public void aLookThatHangsEndsWithThePoller() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            GitHubConnection connection =
                    rig.connection(URI.create("http://127.0.0.1:" + silent.getLocalPort()), new RestConnector());
            JobPoller hanging = poll(connection, new AtomicReference<>(rig.whole(rig.config(), Rig.FIRMWARE)));
            try (Socket connected = silent.accept()) {
                connected.setSoTimeout(30_000);
                assertThat(connected.getInputStream().read()).isEqualTo('G');
                hanging.close();
                // The request is given up, so its connection ends.
                assertThat(connected.getInputStream().readAllBytes()).isNotEmpty();
            }
        }
    }

    @Test
    public void aJobThatCannotBeReadDoesNotHideTheOthers() throws Exception {
        JsonNode run = rawRun();
        String jobs = "{\"total_count\":4,\"jobs\":["
                + "{\"id\":\"x\",\"run_id\":1,\"status\":\"queued\",\"labels\":[]},"
                + "{\"id\":1,\"run_id\":1,\"status\":\"astonished\",\"labels\":[]},"
                + "{\"id\":2,\"run_id\":1,\"status\":\"queued\"},"
                + "{\"id\":3,\"run_id\":1,\"status\":\"queued\",\"labels\":[\"build\"],\"runner_id\":99999999999}]}";
        try (ScriptedServer server = new ScriptedServer(
                request -> ScriptedServer.Reply.of(
                        200,
                        request.path().contains("/jobs")
                                ? jobs
                                : request.path().contains("/runs")
                                        ? "{\"total_count\":1,\"workflow_runs\":[" + run + "]}"
                                        : "{\"id\":1,\"name\":\"firmware\",\"full_name\":\"acme/firmware\",\"owner\":{\"login\":\"acme\"}}"))) {
            poll(
                    rig.connection(server.address(), new RestConnector()),
                    new AtomicReference<>(rig.whole(rig.config(), Rig.FIRMWARE)));
            assertThat(await(next -> true).job()).isEqualTo(new JobId(3));
        }
    }

    @Test
    public void whatCouldBeReadIsToldThoughAnotherRunCannotBeRead() throws Exception {
        String runs = "{\"total_count\":2,\"workflow_runs\":[" + rawRun(1) + "," + rawRun(2) + "]}";
        AtomicBoolean firstRunFails = new AtomicBoolean(true);
        try (ScriptedServer server = new ScriptedServer(request -> {
            if (request.path().contains("/runs/1/") && firstRunFails.get()) {
                return ScriptedServer.Reply.of(502, "");
            }
            if (request.path().contains("/jobs")) {
                String run = request.path().contains("/runs/1/") ? "1" : "2";
                return ScriptedServer.Reply.of(
                        200,
                        "{\"total_count\":1,\"jobs\":[{\"id\":" + run + ",\"run_id\":" + run
                                + ",\"status\":\"queued\",\"labels\":[\"build\"]}]}");
            }
            return ScriptedServer.Reply.of(
                    200,
                    request.path().contains("/runs")
                            ? runs
                            : "{\"id\":1,\"name\":\"firmware\",\"full_name\":\"acme/firmware\",\"owner\":{\"login\":\"acme\"}}");
        })) {
            poll(
                    rig.connection(server.address(), new RestConnector()),
                    new AtomicReference<>(rig.whole(rig.config(), Rig.FIRMWARE)));
            assertThat(await(next -> true).job()).isEqualTo(new JobId(2));
            firstRunFails.set(false);
            await(new JobId(1), JobStatus.QUEUED);
        }
    }

    private static JsonNode rawRun() throws Exception {
        return rawRun(1);
    }

    private static JsonNode rawRun(int id) throws Exception {
        return new ObjectMapper()
                .readTree("{\"id\":" + id + ",\"status\":\"unheard_of\",\"event\":\"unheard_of\",\"run_attempt\":1,"
                        + "\"created_at\":\"2026-03-01T09:00:00Z\",\"updated_at\":\"2026-03-01T09:00:00Z\"}");
    }

    @Test
    public void aRunThatWasDeletedIsLetGo() throws Exception {
        JsonNode run = rawRun();
        AtomicReference<String> runs = new AtomicReference<>("[" + run + "]");
        try (ScriptedServer server = new ScriptedServer(request -> {
            if (request.path().contains("/jobs")) {
                return runs.get().equals("[]")
                        ? ScriptedServer.Reply.of(404, "{\"message\":\"Not Found\"}")
                        : ScriptedServer.Reply.of(
                                200,
                                "{\"jobs\":[{\"id\":3,\"run_id\":1,\"status\":\"queued\",\"labels\":[\"build\"]}]}");
            }
            return ScriptedServer.Reply.of(
                    200,
                    request.path().contains("/runs")
                            ? "{\"total_count\":1,\"workflow_runs\":" + runs.get() + "}"
                            : "{\"id\":1,\"name\":\"firmware\",\"full_name\":\"acme/firmware\",\"owner\":{\"login\":\"acme\"}}");
        })) {
            poll(
                    rig.connection(server.address(), new RestConnector()),
                    new AtomicReference<>(rig.whole(rig.config(), Rig.FIRMWARE)));
            await(next -> true);
            runs.set("[]");
            clock.advance(Duration.ofMinutes(1));
            await(() -> looksElsewhere(server));
        }
    }

    @Test
    public void aJobWhoseRunWasDeletedIsToldOfAsOver() throws Exception {
        JobId job = queue("build");
        poll(Rig.FIRMWARE);
        await(job, JobStatus.QUEUED);
        rig.github.deleteRun(job);
        awaitLooks(2);
        assertThat(seen).noneMatch(next -> next.status() == JobStatus.COMPLETED);
        clock.advance(Duration.ofMinutes(1));
        JobObservation end = await(job, JobStatus.COMPLETED);
        assertThat(end.labels()).containsExactly("self-hosted", "forrest", "build");
        assertThat(end.runnerName()).isEmpty();
    }

    @Test
    public void theEndOfAJobThatOnlyAWebhookToldOfIsLearnedOf() throws Exception {
        // As after the run of an old commit was run again: it is in none of the lists once it is over.
        JobId job = queue("again");
        JobObservation told = new JobObservation(
                job,
                rig.github.job(job).runId(),
                Rig.FIRMWARE,
                List.of("self-hosted", "forrest", "build"),
                JobStatus.QUEUED,
                Optional.empty(),
                Optional.empty(),
                clock.instant().plus(Duration.ofDays(3)),
                "webhook");
        rig.github.cancelJob(job);
        clock.advance(Duration.ofDays(3));
        JobPoller made = poll(Rig.FIRMWARE);
        awaitLooks(1);
        assertThat(rig.requests("/jobs")).isEmpty();
        made.follow(told);
        await(job, JobStatus.COMPLETED);
        awaitLooks(1);
        int reads = rig.requests("/jobs").size();
        awaitLooks(2);
        assertThat(rig.requests("/jobs")).hasSize(reads);
    }

    @Test
    public void aRepositoryThatBringsABugToLightDoesNotHideTheOthers() throws Exception {
        JobId job = queue("build");
        RepositoryId first = new RepositoryId("aaa", "first");
        rig.github.addRepository(first);
        rig.github.queueJob(JobRequest.push(first, "build", "build", "true"));
        ForrestConfig whole = rig.whole(rig.config(), first, Rig.FIRMWARE);
        JobPoller made = new JobPoller(rig.connection(), rig.config(), () -> whole, clock, rig.pollingState());
        poller = Optional.of(made);
        made.start(observation -> {
            if (observation.repository().equals(first)) {
                throw new IllegalStateException("a bug elsewhere");
            }
            seen.add(observation);
        });
        await(job, JobStatus.QUEUED);
    }

    /** Whether the lists were asked for three times without a look at a run in between. */
    private static boolean looksElsewhere(ScriptedServer server) {
        List<String> calls =
                server.requests().stream().map(ScriptedServer.Request::path).toList();
        return calls.size() > 12
                && calls.subList(calls.size() - 9, calls.size()).stream().noneMatch(call -> call.contains("/jobs"));
    }
}
