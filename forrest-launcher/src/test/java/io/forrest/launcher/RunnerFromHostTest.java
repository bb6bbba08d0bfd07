package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** With {@code runner: auto}, a guest whose image has no runner gets GitHub's as a disk. */
@Test(groups = {"qemu", "loop"})
public class RunnerFromHostTest {
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private TinyHost host;

    @BeforeMethod
    public void prepare() throws Exception {
        host = new TinyHost("512M", false);
    }

    @AfterMethod(alwaysRun = true)
    public void cleanUp() {
        if (host != null) {
            host.close();
        }
    }

    private Path archive(String version) {
        return host.baseDirectory().resolve("runners/actions-runner-linux-x64-" + version + ".tar.gz");
    }

    /**
     * Runs a job that prints which disks cannot be written, once a daemon of its own has this runner; returns the guest's
     * output.
     */
    private String logOfAJob(String version) throws Exception {
        try (Daemon daemon = Daemon.of(host.config())) {
            daemon.start();
            host.sendWebhooks();
            Eventually.holds("the archive", PATIENCE, () -> Files.exists(archive(version)));
            JobId job = host.queue("look", "grep -l 1 /sys/block/*/ro; cat /home/runner/runner/.forrest-version");
            Eventually.holds(
                    "the job",
                    PATIENCE,
                    () -> host.gitHub().job(job).conclusion().isPresent());
            assertThat(host.gitHub().job(job).conclusion()).isEqualTo(Optional.of("success"));
            Path log = host.runDirectory(job).orElseThrow().resolve("log.txt");
            Eventually.holds("the machine's end", PATIENCE, () -> host.qemus().isEmpty());
            return Files.readString(log);
        }
    }

    @Test
    public void aGuestWithoutARunnerRunsItsJobWithTheOneThatTheHostKeepsAndWithTheNextOnceThereIsOne()
            throws Exception {
        host.publishRunner("2.330.0", "the first runner");
        assertThat(logOfAJob("2.330.0"))
                .contains(
                        "forrest: unpacking the runner 2.330.0 from /dev/vdd", "the first runner", "/sys/block/vdd/ro")
                .doesNotContain("downloading");

        host.publishRunner("2.331.0", "the second runner");
        assertThat(logOfAJob("2.331.0"))
                .contains("forrest: unpacking the runner 2.331.0 from /dev/vdd", "the second runner")
                .doesNotContain("the first runner");
        assertThat(host.gitHub().runnerDownloads()).isEqualTo(2);
    }
}
