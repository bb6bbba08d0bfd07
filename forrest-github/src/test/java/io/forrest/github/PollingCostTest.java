package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub.JobRequest;
import io.forrest.github.embedded.GuestRunner;
import io.forrest.testing.ManualClock;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What polls cost, request by request, and that nothing is missed for it. */
public class PollingCostTest {
    private static final String LIST = "GET /repos/acme/firmware/actions/runs?per_page=100";

    private final List<AutoCloseable> open = new ArrayList<>();
    private ManualClock clock;
    private Rig rig;
    private BlockingQueue<JobObservation> seen;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        seen = new LinkedBlockingQueue<>();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        for (AutoCloseable each : open) {
            each.close();
        }
        open.clear();
        rig.close();
    }

    /** Polls only when it is told to. */
    private JobPoller poller(RepositoryId... repositories) throws Exception {
        JobPoller poller =
                new JobPoller(rig.connection(), rig.config(), rig.source(repositories), clock, rig.pollingState());
        open.add(poller);
        return poller;
    }

    private JobPoller firstPoll(RepositoryId... repositories) throws Exception {
        JobPoller poller = poller(repositories);
        poll(poller);
        // Nothing is due: it only opens the way for observations.
        poller.start(seen::add);
        return poller;
    }

    /** The requests that one poll makes. */
    private List<String> poll(JobPoller poller) throws Exception {
        int before = rig.github.requests().size();
        poller.poll().get(60, TimeUnit.SECONDS);
        List<String> all = rig.github.requests();
        return all.subList(before, all.size());
    }

    private JobId queue(RepositoryId repository) {
        return rig.github.queueJob(JobRequest.push(repository, "build", "build", "true"));
    }

    private JobId finished(RepositoryId repository) {
        JobId job = queue(repository);
        rig.github.cancelJob(job);
        return job;
    }

    private static boolean listsByAge(String request) {
        return request.contains("/actions/runs?per_page=100") && !request.contains("status=");
    }

    private static List<String> unchanged(List<String> requests) {
        return requests.stream().filter(request -> request.endsWith(" 304")).toList();
    }

    @Test
    public void aPollInWhichNothingChangedCostsNothing() throws Exception {
        RepositoryId[] repositories = IntStream.range(0, 50)
                .mapToObj(i -> new RepositoryId("owner-" + i % 3, "repository-" + i))
                .toArray(RepositoryId[]::new);
        for (RepositoryId repository : repositories) {
            rig.github.addRepository(repository);
            IntStream.range(0, 20).forEach(i -> finished(repository));
            queue(repository);
            queue(repository);
        }
        clock.advance(Duration.ofMinutes(10));
        JobPoller poller = firstPoll(repositories);
        MissedWebhooks missed =
                new MissedWebhooks(rig.connection(), rig.config(), rig.webhooksState(), poller::refresh);
        open.add(missed);
        missed.look().get(60, TimeUnit.SECONDS);
        clock.advance(Duration.ofMinutes(15));

        int countedBefore = rig.github.requestsCounted();
        int before = rig.github.requests().size();
        poller.poll().get(60, TimeUnit.SECONDS);
        missed.look().get(60, TimeUnit.SECONDS);
        List<String> requests =
                rig.github.requests().subList(before, rig.github.requests().size());

        assertThat(requests).hasSize(50 + 100 + 1);
        // The App's token is another one by now, and with it what GitHub calls the same.
        assertThat(requests)
                .filteredOn(request -> !request.endsWith(" 304"))
                .containsExactly("GET /app/hook/deliveries?per_page=100 200");
        assertThat(rig.github.requestsCounted()).isEqualTo(countedBefore + 1);
        // Nothing is forgotten for it.
        assertThat(seen).hasSize(100).allMatch(job -> job.status() == JobStatus.QUEUED);
    }

    @Test
    public void whatChangesIsSeenByTheNextPoll() throws Exception {
        JobId old = finished(Rig.FIRMWARE);
        clock.advance(Duration.ofDays(10));
        JobPoller poller = firstPoll(Rig.FIRMWARE);
        assertThat(unchanged(poll(poller))).containsExactly(LIST + " 304");

        JobId made = queue(Rig.FIRMWARE);
        poll(poller);
        assertSeen(made, JobStatus.QUEUED);

        GuestRunner runner = new GuestRunner(new GitHubRunnerBroker(rig.connection())
                .register(MachineId.random(new MachineTypeId(Rig.FIRMWARE, "build")))
                .jitConfig()
                .reveal());
        runner.connect();
        runner.takeJob();
        poll(poller);
        assertSeen(made, JobStatus.IN_PROGRESS);

        runner.end("success");
        poll(poller);
        assertSeen(made, JobStatus.COMPLETED);

        JobId again = rig.github.runAgain(old);
        poll(poller);
        assertSeen(again, JobStatus.QUEUED);
        assertThat(rig.github.job(again).runId()).isEqualTo(rig.github.job(old).runId());

        rig.github.cancelJob(again);
        poll(poller);
        assertSeen(again, JobStatus.COMPLETED);
        assertThat(poll(poller)).containsExactly(LIST + " 304");
    }

    private void assertSeen(JobId job, JobStatus status) {
        assertThat(seen).extracting(JobObservation::job, JobObservation::status).containsOnlyOnce(tuple(job, status));
        seen.clear();
    }

    @Test
    public void aRunThatIsRunAgainIsSeenThoughAHundredCameAfterIt() throws Exception {
        JobId old = finished(Rig.FIRMWARE);
        clock.advance(Duration.ofDays(10));
        IntStream.range(0, 120).forEach(i -> finished(Rig.FIRMWARE));
        clock.advance(Duration.ofMinutes(10));
        JobPoller poller = firstPoll(Rig.FIRMWARE);
        // The newest hundred do not show all that can be run again.
        assertThat(unchanged(poll(poller))).hasSize(5);
        JobId again = rig.github.runAgain(old);
        List<String> requests = poll(poller);
        assertSeen(again, JobStatus.QUEUED);
        assertThat(requests).filteredOn(request -> request.endsWith(" 200")).hasSize(2);
    }

    @Test
    public void nothingButTheNewestRunsIsListedOnceAllWereSeen() throws Exception {
        IntStream.range(0, 250).forEach(i -> finished(Rig.FIRMWARE));
        clock.advance(Duration.ofMinutes(10));
        JobPoller poller = poller(Rig.FIRMWARE);
        assertThat(poll(poller)).filteredOn(PollingCostTest::listsByAge).hasSize(3);
        assertThat(poll(poller)).filteredOn(PollingCostTest::listsByAge).containsExactly(LIST + " 304");
        // What is new is listed up to what was seen, and no further.
        IntStream.range(0, 130).forEach(i -> queue(Rig.FIRMWARE));
        clock.advance(Duration.ofMinutes(10));
        assertThat(poll(poller)).filteredOn(PollingCostTest::listsByAge).hasSize(2);
        assertThat(poll(poller)).filteredOn(PollingCostTest::listsByAge).containsExactly(LIST + " 304");
    }

    @Test
    public void howFarListsWereReadOutlivesTheDaemon() throws Exception {
        IntStream.range(0, 250).forEach(i -> finished(Rig.FIRMWARE));
        JobId running = queue(Rig.FIRMWARE);
        clock.advance(Duration.ofMinutes(10));
        JobPoller before = firstPoll(Rig.FIRMWARE);
        before.close();
        rig.github.cancelJob(running);
        clock.advance(Duration.ofHours(1));

        JobPoller after = poller(Rig.FIRMWARE);
        after.start(seen::add);
        List<String> requests = poll(after);
        assertThat(requests)
                .filteredOn(PollingCostTest::listsByAge)
                .isNotEmpty()
                .allMatch(request -> request.startsWith(LIST + " "));
        // Of the run that was not over, and of no other.
        assertThat(requests)
                .filteredOn(request -> request.contains("/jobs"))
                .isNotEmpty()
                .allMatch(request ->
                        request.contains("/" + rig.github.job(running).runId() + "/"));
        assertThat(seen).isNotEmpty().allMatch(job -> job.job().equals(running) && job.status() == JobStatus.COMPLETED);
    }

    @Test
    public void aStateThatCannotBeReadCostsRequestsAndNothingElse() throws Exception {
        IntStream.range(0, 150).forEach(i -> finished(Rig.FIRMWARE));
        JobId job = queue(Rig.FIRMWARE);
        clock.advance(Duration.ofMinutes(10));
        for (String torn : List.of(
                "",
                "{\"format\":1,\"repositories\":{\"acme/fir",
                "{\"format\":2}",
                "[]",
                "{\"format\":1,\"repositories\":{\"acme/firmware\":{\"newest\":\"soon\",\"open\":\"x\"}}}")) {
            Files.writeString(rig.pollingState(), torn);
            JobPoller poller = poller(Rig.FIRMWARE);
            assertThat(poll(poller)).filteredOn(PollingCostTest::listsByAge).hasSize(2);
            poller.start(seen::add);
            poll(poller);
            assertSeen(job, JobStatus.QUEUED);
            poller.close();
            assertThat(Files.readString(rig.pollingState()))
                    .contains("[" + rig.github.job(job).runId() + "]");
        }
    }

    @Test
    public void noPageIsAskedForThatIsNotThere() throws Exception {
        IntStream.range(0, 200).forEach(i -> finished(Rig.FIRMWARE));
        clock.advance(Duration.ofMinutes(10));
        assertThat(poll(poller(Rig.FIRMWARE)))
                .filteredOn(PollingCostTest::listsByAge)
                .hasSize(2)
                .noneMatch(request -> request.contains("page=3"));
    }

    @Test
    public void anotherTokenCostsOnePollAndNoMore() throws Exception {
        queue(Rig.FIRMWARE);
        JobPoller poller = firstPoll(Rig.FIRMWARE);
        rig.github.revokeTokens();
        assertThat(poll(poller)).filteredOn(request -> request.endsWith(" 200")).hasSize(2);
        assertThat(unchanged(poll(poller))).hasSize(2);
        assertThat(seen).hasSize(2);
    }

    @Test
    public void theStateKnowsNoRepositoryThatIsNotConfigured() throws Exception {
        RepositoryId images = new RepositoryId("acme", "images");
        rig.github.addRepository(images);
        JobPoller both = firstPoll(Rig.FIRMWARE, images);
        both.close();
        assertThat(Files.readString(rig.pollingState())).contains("acme/firmware", "acme/images");
        poll(poller(Rig.FIRMWARE));
        assertThat(Files.readString(rig.pollingState()))
                .contains("acme/firmware")
                .doesNotContain("images");
    }
}
