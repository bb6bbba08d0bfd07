package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import io.forrest.Forrest;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.github.embedded.EmbeddedGitHub.JobRequest;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.github.embedded.GuestRunner;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.spi.JobSource;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeVm;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/**
 * A whole Forrest with GitHub's client and webhooks against a GitHub that has bad days; only VMs and disks are fakes. The
 * clock goes as fast as the test likes.
 */
public class ForrestOnBadDaysTest {
    /** While something is awaited; time must not run out for a machine that does what it should. */
    private static final Duration SHORT_STEP = Duration.ofSeconds(5);

    private static final Duration LONG_STEP = Duration.ofMinutes(1);
    private static final Duration POLLING_INTERVAL = Duration.ofMillis(300);

    private FakeHypervisor hypervisor;
    private ManualClock clock;
    private Rig rig;
    private Path directory;
    private MachineType type;
    private ForrestConfig config;
    private HttpServer api;
    private WebhookReceiver webhooks;
    private Forrest forrest;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        directory = Files.createTempDirectory("forrest-bad-days");
        Path template = Files.createDirectories(directory.resolve("template"));
        Files.createDirectories(template.resolve("cloud-init"));
        Files.createDirectories(template.resolve("job-config"));
        Files.writeString(template.resolve("job-config/jit"), "<JITCONFIG>");
        Path base = Files.writeString(directory.resolve("base.raw"), "base");
        type = TestConfigs.type("build", "1G", Optional.empty(), Optional.of(base), template);
        hypervisor = new FakeHypervisor(this::work);

        config = TestConfigs.config(directory.resolve("state"), "4G", type);
        GitHubConnection connection = rig.connection(
                rig.config(rig.github.apiUrl(), POLLING_INTERVAL),
                clock,
                new RestConnector(Duration.ofSeconds(5), Duration.ofSeconds(1), 1 << 20));
        webhooks = new WebhookReceiver(rig.config(), () -> config, clock);
        JobPoller poller = new JobPoller(
                connection,
                rig.config(rig.github.apiUrl(), POLLING_INTERVAL),
                () -> config,
                clock,
                rig.pollingState(),
                new Random(1));
        webhooks.followedBy(poller::follow);
        openApi();
        startForrest(connection, poller);
    }

    /** With webhooks, and {@code other}. */
    private void startForrest(GitHubConnection connection, JobSource other) throws Exception {
        forrest = Forrest.builder(() -> config)
                .imageStore(new InMemoryImageStore())
                .guestVolumes(new FakeGuestVolumes())
                .hypervisor(hypervisor)
                .runnerBroker(new GitHubRunnerBroker(connection))
                .jobSource(webhooks)
                .jobSource(other)
                .clock(clock)
                .build();
        forrest.start();
    }

    private void openApi() throws IOException {
        api = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        api.createContext("/webhook", exchange -> {
            try (exchange) {
                Map<String, String> headers = new HashMap<>();
                exchange.getRequestHeaders()
                        .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
                WebhookAnswer answer =
                        webhooks.receive(headers, exchange.getRequestBody().readAllBytes());
                exchange.sendResponseHeaders(answer.status(), -1);
            }
        });
        api.start();
        rig.github.webhookTarget(WebhookTarget.http(
                URI.create("http://127.0.0.1:" + api.getAddress().getPort() + "/webhook")));
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        forrest.close();
        hypervisor.running().forEach(vm -> vm.stop(Duration.ZERO));
        api.stop(0);
        rig.close();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** What the usual guest does. As the real runner, it tries again when GitHub does not answer. */
    private void work(FakeVm vm) throws Exception {
        GuestRunner runner = runner(vm);
        until(() -> runner.connect() == 204);
        until(() -> runner.takeJob().isPresent());
        until(() -> runner.end("success") != 500);
    }

    private static GuestRunner runner(FakeVm vm) throws IOException {
        return new GuestRunner(new String(FakeGuestVolumes.files(vm.disk(2)).get("jit"), StandardCharsets.UTF_8));
    }

    private interface Attempt {
        boolean succeeds() throws IOException, InterruptedException;
    }

    private static void until(Attempt attempt) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        boolean done = false;
        while (!done) {
            try {
                done = attempt.succeeds();
            } catch (IOException e) {
                done = never.await(50, TimeUnit.MILLISECONDS);
            }
        }
    }

    private JobId push(String name) {
        return rig.github.queueJob(JobRequest.push(Rig.FIRMWARE, name, "build", "true"));
    }

    private boolean isOver(JobId job) {
        return rig.github.job(job).status().equals("completed");
    }

    private boolean nothingIsLeft() {
        return rig.github.runners().isEmpty()
                && hypervisor.running().isEmpty()
                && machines().isEmpty();
    }

    private List<MachineSnapshot> machines() {
        try {
            return forrest.machines().get(30, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private void awaitInTime(String what, BooleanSupplier condition) throws InterruptedException {
        awaitInTime(what, SHORT_STEP, condition);
    }

    /** Lets time go by, a step every 50 ms, until it is so. */
    private void awaitInTime(String what, Duration step, BooleanSupplier condition) throws InterruptedException {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        CountDownLatch never = new CountDownLatch(1);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime())
                    .as(() -> what + ": " + machines() + rig.github.runners() + rig.github.deliveries())
                    .isLessThan(deadlineNanos);
            clock.advance(step);
            assertThat(never.await(50, TimeUnit.MILLISECONDS)).isFalse();
        }
    }

    private void letGoBy(Duration time) throws InterruptedException {
        Instant end = clock.instant().plus(time);
        awaitInTime("time goes by", LONG_STEP, () -> !clock.instant().isBefore(end));
    }

    @Test
    public void aJobWhoseWebhookFoundNoDaemonIsRunWithoutALookAtRuns() throws Exception {
        forrest.close();
        api.stop(0);
        JobId job = push("build");
        awaitInTime("it is lost", () -> !rig.github.deliveries().isEmpty());
        int looks = rig.requests("/actions/runs").size();

        openApi();
        hypervisor = new FakeHypervisor(this::work);
        GitHubConnection connection = rig.connection();
        startForrest(connection, new MissedWebhooks(connection, rig.config(), rig.webhooksState(), () -> {}));
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
        assertThat(rig.requests("/actions/runs")).hasSize(looks);
    }

    @Test
    public void onAGoodDayAJobRunsAndNothingIsLeft() throws Exception {
        JobId job = push("build");
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @DataProvider
    public Object[][] outages() {
        return new Object[][] {
            {Fault.status(500)},
            {Fault.status(502)},
            {Fault.status(503)},
            {Fault.cut()},
            {Fault.half()},
            {Fault.cutThoughDone()},
            {Fault.silent(Duration.ofSeconds(5))}
        };
    }

    @Test(dataProvider = "outages")
    public void anOutageOfAnHourIsSurvived(Fault fault) throws Exception {
        JobId before = push("before");
        awaitInTime("it runs", () -> isOver(before));
        rig.github.faults().failAll(Optional.of(fault));
        rig.github.faults().dropWebhooks(1);
        JobId missed = push("missed");
        JobId told = push("told");
        int requests = rig.github.requests().size();
        letGoBy(Duration.ofHours(1));
        assertThat(rig.github.requests().size() - requests).isBetween(1, 300);
        rig.github.faults().clear();
        awaitInTime("they run", () -> isOver(missed) && isOver(told));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void anHourWithoutAnyConnectionIsSurvivedByARunningJobToo() throws Exception {
        CountDownLatch finish = new CountDownLatch(1);
        hypervisor.guest(vm -> {
            GuestRunner runner = runner(vm);
            until(() -> runner.connect() == 204);
            until(() -> runner.takeJob().isPresent());
            finish.await();
            until(() -> runner.end("success") != 500);
        });
        JobId running = push("running");
        awaitInTime("it runs", () -> rig.github.job(running).status().equals("in_progress"));
        awaitInTime("Forrest knows", () -> machines().stream()
                .anyMatch(machine -> machine.state() == MachineState.RUNNING));
        rig.github.goDown();
        JobId queued = push("queued");
        letGoBy(Duration.ofHours(1));
        assertThat(hypervisor.running()).isNotEmpty();
        rig.github.comeUp();
        finish.countDown();
        awaitInTime("they run", () -> isOver(running) && isOver(queued));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void jobsRunThoughGitHubFailsAndWebhooksGoAstrayAtRandom() throws Exception {
        rig.github.faults().randomly(0.3, 42);
        rig.github.faults().webhooksRandomly(0.5, 42);
        List<JobId> jobs = IntStream.range(0, 8).mapToObj(i -> push("job-" + i)).toList();
        awaitInTime("all run", () -> jobs.stream().allMatch(this::isOver));
        rig.github.faults().clear();
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void jobsRunWithoutAnyWebhook() throws Exception {
        rig.github.faults().dropWebhooks(Integer.MAX_VALUE);
        JobId job = push("build");
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void aLimitOfTheInstallationStopsAllRequestsUntilItsEnd() throws Exception {
        JobId before = push("before");
        awaitInTime("it runs", () -> isOver(before) && nothingIsLeft());
        rig.github.faults().failNext(1, Fault.status(403, Duration.ofMinutes(30)));
        awaitInTime("it is limited", () -> !rig.requests(" 403").isEmpty());
        int requests = rig.github.requests().size();
        JobId job = push("build");
        letGoBy(Duration.ofMinutes(25));
        assertThat(rig.github.requests()).hasSize(requests);
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void aKeyThatIsReplacedNeedsNoRestart() throws Exception {
        JobId before = push("before");
        awaitInTime("it runs", () -> isOver(before));
        rig.github.replaceKey();
        rig.github.revokeTokens();
        JobId job = push("build");
        int requests = rig.github.requests().size();
        letGoBy(Duration.ofMinutes(30));
        assertThat(isOver(job)).isFalse();
        assertThat(rig.github.requests().size() - requests).isLessThan(300);
        rig.github.writeKey(rig.keyFile());
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void anInstallationThatIsSuspendedForAWhileIsServedAgain() throws Exception {
        JobId before = push("before");
        awaitInTime("it runs", () -> isOver(before));
        rig.github.suspendInstallation(Rig.FIRMWARE);
        JobId job = push("build");
        letGoBy(Duration.ofMinutes(30));
        assertThat(isOver(job)).isFalse();
        rig.github.unsuspendInstallation(Rig.FIRMWARE);
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @DataProvider
    public Object[][] webhookComes() {
        return new Object[][] {{true}, {false}};
    }

    @Test(dataProvider = "webhookComes")
    public void aJobThatIsCancelledWhileItsMachineBootsLeavesNothing(boolean webhookComes) throws Exception {
        hypervisor.guest(FakeVm::runForEver);
        JobId job = push("build");
        awaitInTime("its machine boots", () -> !hypervisor.running().isEmpty());
        rig.github.faults().dropWebhooks(webhookComes ? 0 : 1);
        rig.github.cancelJob(job);
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void aJobWhoseRunIsDeletedWhileItsMachineBootsLeavesNothing() throws Exception {
        hypervisor.guest(FakeVm::runForEver);
        JobId job = push("build");
        awaitInTime("its machine boots", () -> !hypervisor.running().isEmpty());
        rig.github.deleteRun(job);
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void aRunnerThatNeverComesOnlineMakesWayForAnother() throws Exception {
        hypervisor.guest(FakeVm::runForEver);
        JobId job = push("build");
        awaitInTime("its machine boots", () -> !hypervisor.running().isEmpty());
        FakeVm hanging = hypervisor.running().get(0);
        hypervisor.guest(this::work);
        awaitInTime("another runs it", () -> isOver(job));
        assertThat(hanging.isRunning()).isFalse();
        awaitInTime("nothing is left", this::nothingIsLeft);
    }

    @Test
    public void aCompletedThatNeverComesKeepsNoMachine() throws Exception {
        JobId job = push("build");
        awaitInTime("it has begun", () -> !rig.github.job(job).status().equals("queued"));
        rig.github.faults().dropWebhooks(Integer.MAX_VALUE);
        awaitInTime("it runs", () -> isOver(job));
        awaitInTime("nothing is left", this::nothingIsLeft);
    }
}
