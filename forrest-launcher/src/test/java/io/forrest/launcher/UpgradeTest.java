package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.JobId;
import io.forrest.github.embedded.EmbeddedRunner;
import io.forrest.launcher.api.ControlClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** An upgrade at noon: the daemon's process goes and another comes while a real guest runs its job. */
@Test(groups = {"qemu", "loop"})
public class UpgradeTest {
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    /** A job leaves this on its disk. */
    private static final String TRACE = "left-by-the-job-of-noon";

    private TinyHost host;
    private Light light;

    @BeforeMethod
    public void prepare() throws Exception {
        host = new TinyHost("512M");
        light = new Light();
    }

    @AfterMethod(alwaysRun = true)
    public void cleanUp() {
        if (host != null) {
            light.close();
            host.close();
        }
    }

    private LauncherProcess serve() throws Exception {
        // A killed daemon leaves its own.
        Files.deleteIfExists(Daemon.apiSocket(host.baseDirectory()));
        LauncherProcess daemon = new LauncherProcess(
                host.directory(), Map.of(), "serve", host.config().toString());
        Eventually.holds("the API", PATIENCE, () -> Files.exists(Daemon.apiSocket(host.baseDirectory())));
        host.sendWebhooks();
        return daemon;
    }

    private ControlClient control() {
        return new ControlClient(Daemon.controlSocket(host.baseDirectory()));
    }

    /** A job that leaves its trace, waits for the light, and has its disk persisted. */
    private JobId queueJob() {
        return host.queue(
                "noon",
                "echo " + TRACE + " > /srv/trace; sync; " + light.waiting() + "; printf %s " + TinyHost.TOKEN
                        + " > /home/runner/config/persist");
    }

    /** Once the daemon, too, knows that the job has its machine. */
    private void awaitAtWork(JobId job) throws Exception {
        Eventually.holds("the job is at work", PATIENCE, () -> {
            JsonNode machines = control().get("/machines");
            return machines.size() == 1 && machines.get(0).path("job").asLong() == job.value();
        });
        assertThat(host.gitHub().job(job).status()).isEqualTo("in_progress");
    }

    private void awaitPromotion(JobId job) throws Exception {
        Eventually.holds("the promotion", PATIENCE, () -> Files.exists(host.machineImage()));
        assertThat(host.gitHub().job(job).conclusion()).isEqualTo(Optional.of("success"));
        assertThat(Files.readString(host.machineImage(), StandardCharsets.ISO_8859_1))
                .contains(TRACE);
        Eventually.holds("nothing is left of the machine", PATIENCE, () -> control()
                .get("/machines")
                .isEmpty());
        assertThat(host.qemus()).isEmpty();
        assertThat(host.gitHub().runners()).isEmpty();
        assertThat(host.disks()).isEmpty();
        assertThat(host.gitHub().jobs()).as("jobs, none of them queued again").hasSize(1);
    }

    @DataProvider
    public Object[][] signals() {
        return new Object[][] {{"TERM"}, {"KILL"}};
    }

    @Test(dataProvider = "signals")
    public void aJobThatRunsWhileTheDaemonIsReplacedSucceedsAndItsDiskIsPromoted(String signal) throws Exception {
        JobId job;
        List<ProcessHandle> vms;
        try (LauncherProcess old = serve()) {
            job = queueJob();
            awaitAtWork(job);
            vms = host.qemus();
            assertThat(vms).hasSize(1);
            old.signal(signal);
            old.exitCode();
        }
        assertThat(host.qemus()).isEqualTo(vms);
        String runner = host.gitHub().job(job).runnerName().orElseThrow();
        try (LauncherProcess daemon = serve()) {
            JsonNode machines = control().get("/machines");
            assertThat(machines.findValuesAsText("id")).containsExactly(runner);
            assertThat(machines.get(0).path("job").asLong()).isEqualTo(job.value());
            assertThat(machines.get(0).path("state").asText()).isEqualTo("running");
            assertThat(host.qemus()).isEqualTo(vms);
            assertThat(host.gitHub().runners()).extracting(EmbeddedRunner::name).containsExactly(runner);
            light.turnGreen();
            awaitPromotion(job);
            daemon.terminate();
            assertThat(daemon.exitCode()).as(daemon.output()).isZero();
        }
    }

    @Test(dataProvider = "signals")
    public void aGuestThatPowersOffWhileNoDaemonRunsIsPromotedByTheNext(String signal) throws Exception {
        JobId job;
        Path log;
        try (LauncherProcess old = serve()) {
            job = queueJob();
            awaitAtWork(job);
            log = host.runDirectory(job).orElseThrow().resolve("log.txt");
            old.signal(signal);
            old.exitCode();
        }
        light.turnGreen();
        Eventually.holds("the guest's last words", PATIENCE, () -> Files.readString(log, StandardCharsets.ISO_8859_1)
                .contains("tiny: off"));
        assertThat(host.machineImage()).doesNotExist();
        try (LauncherProcess daemon = serve()) {
            awaitPromotion(job);
            daemon.terminate();
            assertThat(daemon.exitCode()).as(daemon.output()).isZero();
        }
    }

    @Test
    public void drainWaitsForTheJobThatRunsAndLeavesTheNextForTheNextDaemon() throws Exception {
        JobId job;
        JobId next;
        try (LauncherProcess old = serve()) {
            job = queueJob();
            awaitAtWork(job);
            try (LauncherProcess drain = new LauncherProcess(
                    host.directory(), Map.of(), "drain", host.config().toString())) {
                Eventually.holds(
                        "it drains",
                        PATIENCE,
                        () -> control().get("/drain").path("draining").asBoolean());
                next = host.queue("next", "cat /srv/trace");
                light.turnGreen();
                assertThat(drain.exitCode(PATIENCE)).as(drain.output()).isZero();
                assertThat(drain.output())
                        .contains(host.gitHub().job(job).runnerName().orElseThrow(), "0 left");
            }
            assertThat(host.machineImage()).exists();
            assertThat(host.qemus()).isEmpty();
            assertThat(host.gitHub().runners()).isEmpty();
            assertThat(host.gitHub().job(next).status()).isEqualTo("queued");
            old.terminate();
            assertThat(old.exitCode()).as(old.output()).isZero();
        }
        try (LauncherProcess daemon = serve()) {
            Eventually.holds(
                    "the next job is done",
                    PATIENCE,
                    () -> host.gitHub().job(next).conclusion().isPresent());
            assertThat(host.gitHub().job(next).log()).contains(TRACE);
            Eventually.holds("no machine is left", PATIENCE, () -> control()
                    .get("/machines")
                    .isEmpty());
            daemon.terminate();
            assertThat(daemon.exitCode()).as(daemon.output()).isZero();
        }
    }
}
