package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.EmbeddedRunner;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.launcher.api.ControlClient;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The daemon as a process, with real QEMUs whose guests never come up. */
@Test(groups = {"qemu", "loop"})
public class ServeTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** Of a daemon that has nothing to promote; generous, for a busy host. */
    private static final Duration LONGEST_END = Duration.ofSeconds(10);

    private LoopFileSystem fileSystem;
    private EmbeddedGitHub gitHub;
    private Path work;
    private Path config;

    @BeforeMethod
    public void prepare() throws IOException {
        HostNeeds.program("qemu-system-x86_64");
        fileSystem = LoopFileSystem.mount("xfs");
        work = fileSystem.directory();
        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(REPOSITORY);
        gitHub.writeKey(work.resolve("key.pem"));
        Files.createDirectories(work.resolve("template/cloud-init"));
        Files.createDirectories(work.resolve("template/job-config"));
        try (RandomAccessFile image =
                new RandomAccessFile(work.resolve("src.raw").toFile(), "rw")) {
            image.setLength(1 << 20);
        }
        config = work.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: 1G, qemu: {accelerator: tcg}}
                github: {api_url: "%2$s", app_id: "%3$s", jwt_key_file: %1$s/key.pem, webhook_secret: "%4$s"}
                repositories:
                  acme:
                    firmware:
                      machines:
                        build:
                          base_image: %1$s/src.raw
                          setup_template: {path: %1$s/template}
                          cpus: 1
                          ram: 128M
                          disk: 1M
                """
                        .formatted(work, gitHub.apiUrl(), gitHub.appId(), gitHub.webhookSecret()));
    }

    @AfterMethod(alwaysRun = true)
    public void cleanUp() throws Exception {
        if (gitHub != null) {
            gitHub.close();
            Qemus.kill(work);
            fileSystem.close();
        }
    }

    private List<ProcessHandle> qemus() {
        return Qemus.below(work);
    }

    private List<Path> filesInRuns(String name) throws IOException {
        try (Stream<Path> files = Files.walk(work.resolve("base/runs"))) {
            return files.filter(file -> file.endsWith(name)).toList();
        }
    }

    private JobId queueJob() {
        gitHub.webhookTarget(WebhookTarget.unixSocket(work.resolve("base/api.sock")));
        return gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "build", "build", "true"));
    }

    private void awaitVm() throws Exception {
        Eventually.holds("a VM of a registered runner", PATIENCE, () -> qemus().size() == 1);
        assertThat(gitHub.runners()).hasSize(1);
    }

    private LauncherProcess serve() throws Exception {
        LauncherProcess daemon = new LauncherProcess(work, Map.of(), "serve", "config.yaml");
        Eventually.holds("the API", PATIENCE, () -> Files.exists(work.resolve("base/api.sock")));
        return daemon;
    }

    /** The machines that the running daemon knows. */
    private JsonNode machines() throws Exception {
        return new ControlClient(work.resolve("base/control.sock")).get("/machines");
    }

    /** That the running daemon has a single machine, which is this VM with this runner, and nothing else is there. */
    private void assertGoesOn(ProcessHandle vm, String runner) throws Exception {
        JsonNode machines = machines();
        assertThat(machines.findValuesAsText("id")).containsExactly(runner);
        assertThat(machines.get(0).path("process_id").asLong()).isEqualTo(vm.pid());
        assertThat(qemus()).containsExactly(vm);
        assertThat(gitHub.runners()).extracting(EmbeddedRunner::name).containsExactly(runner);
        assertThat(filesInRuns("disk.img")).hasSize(1);
    }

    @DataProvider
    public Object[][] signals() {
        return new Object[][] {{"TERM"}, {"INT"}};
    }

    @Test(dataProvider = "signals")
    public void systemdIsToldAndASignalEndsTheDaemonWithoutItsVms(String signal) throws Exception {
        Path notifyPath = Files.createTempDirectory("notify").resolve("n");
        try (NotifySocket systemd = new NotifySocket(notifyPath);
                LauncherProcess daemon = new LauncherProcess(
                        work, Map.of("NOTIFY_SOCKET", notifyPath.toString()), "serve", "config.yaml")) {
            assertThat(systemd.receive()).isEqualTo("READY=1");
            assertThat(work.resolve("base/api.sock")).exists();
            queueJob();
            awaitVm();
            ProcessHandle vm = qemus().get(0);

            daemon.signal(signal);
            assertThat(systemd.receive()).isEqualTo("STOPPING=1");
            assertThat(daemon.exitCode(LONGEST_END)).as(daemon.output()).isZero();
            assertThat(daemon.output()).contains("go on without this Forrest");
            assertThat(qemus()).containsExactly(vm);
            assertThat(gitHub.runners()).hasSize(1);
            assertThat(filesInRuns("disk.img")).hasSize(1);
            assertThat(work.resolve("base/api.sock")).doesNotExist();
            assertThat(work.resolve("base/control.sock")).doesNotExist();
        }
    }

    @DataProvider
    public Object[][] ends() {
        return new Object[][] {{"TERM"}, {"KILL"}};
    }

    @Test(dataProvider = "ends")
    public void theNextDaemonGoesOnWithTheVmsOfTheLast(String signal) throws Exception {
        ProcessHandle vm;
        String runner;
        // As the reference is started: without a command.
        try (LauncherProcess first = new LauncherProcess(work, Map.of(), "config.yaml")) {
            Eventually.holds("the API", PATIENCE, () -> Files.exists(work.resolve("base/api.sock")));
            queueJob();
            awaitVm();
            vm = qemus().get(0);
            runner = gitHub.runners().get(0).name();
            Eventually.holds("it is known that the VM was started", PATIENCE, () -> machines()
                    .get(0)
                    .has("process_id"));
            first.signal(signal);
            first.exitCode();
        }
        Files.deleteIfExists(work.resolve("base/api.sock"));
        try (LauncherProcess next = serve()) {
            assertGoesOn(vm, runner);
            // What is found again can also be ended: its runner has no job.
            try (LauncherProcess drain = new LauncherProcess(work, Map.of(), "drain")) {
                assertThat(drain.exitCode()).as(drain.output()).isZero();
                assertThat(drain.output()).contains(runner + " has ended; 0 left.");
            }
            assertThat(qemus()).isEmpty();
            assertThat(gitHub.runners()).isEmpty();
            assertThat(filesInRuns("disk.img")).isEmpty();
            next.terminate();
            assertThat(next.exitCode(LONGEST_END)).as(next.output()).isZero();
            assertThat(next.output()).doesNotContain("go on without this Forrest");
        }
    }

    @Test
    public void aSecondDaemonOnTheSameDirectoryIsTurnedAway() throws Exception {
        try (LauncherProcess first = new LauncherProcess(work, Map.of(), "serve")) {
            Eventually.holds("the API", PATIENCE, () -> Files.exists(work.resolve("base/api.sock")));
            try (LauncherProcess second = new LauncherProcess(work, Map.of(), "serve")) {
                assertThat(second.exitCode()).isEqualTo(1);
                assertThat(second.output()).contains("forrest.lock", "another Forrest");
            }
            // Who is turned away takes nothing with it.
            assertThat(work.resolve("base/api.sock")).exists();
            assertThat(machines()).isEmpty();
            first.terminate();
            assertThat(first.exitCode()).isZero();
        }
    }

    @Test
    public void aFileSystemThatCannotCloneIsAnErrorAtTheStartWithTheWaysOut() throws Exception {
        Path elsewhere = Files.createTempDirectory("ext4");
        try (LoopFileSystem ext4 = LoopFileSystem.mount("ext4")) {
            Files.writeString(config, Files.readString(config).replace(work + "/base", ext4.directory() + "/base"));
            try (LauncherProcess daemon = new LauncherProcess(elsewhere, Map.of(), "serve", config.toString())) {
                assertThat(daemon.exitCode()).isEqualTo(1);
                assertThat(daemon.output()).contains(ext4.directory() + "/base", "ext", "Btrfs", "mkfs.xfs");
            }
        }
    }

    @Test
    public void aBrokenConfigurationEndsItAtOnceWithEveryProblem() throws Exception {
        Files.writeString(
                config, Files.readString(config).replace("128M", "128 MB").replace("cpus: 1", "cpu: 1"));
        try (LauncherProcess daemon = new LauncherProcess(work, Map.of(), "serve")) {
            assertThat(daemon.exitCode()).isEqualTo(1);
            assertThat(daemon.output()).contains("128 MB", "Did you mean cpus?", "line ");
        }
    }

    @Test
    public void aConfigurationThatBreaksWhileItRunsHarmsNothing() throws Exception {
        try (LauncherProcess daemon = new LauncherProcess(work, Map.of(), "serve")) {
            Eventually.holds("the API", PATIENCE, () -> Files.exists(work.resolve("base/api.sock")));
            String good = Files.readString(config);
            Files.writeString(config, "host: [");
            Eventually.holds("the complaint", PATIENCE, () -> daemon.output().contains("keeps using"));
            queueJob();
            awaitVm();
            Files.writeString(config, good.replace("ram: 1G", "ram: 2G"));
            Eventually.holds("the reload", PATIENCE, () -> daemon.output().contains("again"));
            daemon.terminate();
            assertThat(daemon.exitCode()).isZero();
        }
    }

    @Test
    public void aJobWhoseMachineTypeIsAddedLaterIsServedThen() throws Exception {
        try (LauncherProcess daemon = new LauncherProcess(work, Map.of(), "serve")) {
            Eventually.holds("the API", PATIENCE, () -> Files.exists(work.resolve("base/api.sock")));
            gitHub.webhookTarget(WebhookTarget.unixSocket(work.resolve("base/api.sock")));
            gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "other", "other", "true"));
            Eventually.holds("the complaint", PATIENCE, () -> daemon.output().contains("\"other\""));
            String text = Files.readString(config);
            String machine = text.substring(text.indexOf("        build:"));
            Files.writeString(config, text + machine.replace("build:", "other:"));
            Eventually.find("the added type's machine", PATIENCE, () -> gitHub.runners().stream()
                    .filter(runner -> runner.labels().contains("other"))
                    .findFirst()
                    .or(Optional::empty));
            daemon.terminate();
            assertThat(daemon.exitCode()).isZero();
        }
    }
}
