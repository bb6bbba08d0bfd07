package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.domain.JobId;
import io.forrest.launcher.api.ControlledForrest;
import io.forrest.testing.FakeVm;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;
import picocli.CommandLine;

/** {@code forrest machines} and {@code forrest drain} before a Forrest on fakes. */
public class OwnersCommandTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private ControlledForrest forrest;
    private Path config;

    /** What a command has printed; can be read while it runs. */
    private static final class Run {
        private final StringWriter out = new StringWriter();
        private final StringWriter errors = new StringWriter();

        int execute(String... arguments) {
            CommandLine line = Main.commandLine();
            line.setOut(new PrintWriter(out));
            line.setErr(new PrintWriter(errors));
            int code = line.execute(arguments);
            line.getOut().flush();
            line.getErr().flush();
            return code;
        }
    }

    @BeforeMethod
    public void start() throws Exception {
        forrest = new ControlledForrest("control.sock");
        config = Files.writeString(
                forrest.directory().resolve("config.yaml"),
                """
                host: {base_dir: %s, ram: 1G}
                github: {app_id: 1, jwt_key_file: /key.pem, webhook_secret: s}
                repositories: {}
                """
                        .formatted(forrest.directory()));
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        forrest.close();
    }

    private String machines() {
        Run run = new Run();
        assertThat(run.execute("machines", config.toString()))
                .as(run.errors.toString())
                .isZero();
        return run.out.toString();
    }

    private void awaitWork() throws Exception {
        Eventually.holds("it is at work", PATIENCE, () -> machines().contains("running"));
    }

    @Test
    public void machinesShowsWhatRunsAndWhyTheOthersWait() throws Exception {
        assertThat(machines()).isEqualTo("No machine runs, and none waits.\n");
        JobId job = forrest.queue();
        FakeVm vm = forrest.startJob(job);
        forrest.queue();
        Eventually.holds("one waits", PATIENCE, () -> machines().contains("waits for 1G of RAM"));
        assertThat(machines())
                .contains(vm.spec().machine().runnerName(), "running", "  " + job + "  ")
                .contains("1G of RAM and ", " of free disk space are claimed.");

        Run run = new Run();
        assertThat(run.execute("machines", "--json", config.toString())).isZero();
        assertThat(new ObjectMapper().readTree(run.out.toString())).hasSize(2);
    }

    @Test
    public void drainReturnsWhenTheLastMachineHasEnded() throws Exception {
        JobId job = forrest.queue();
        FakeVm vm = forrest.startJob(job);
        awaitWork();
        Run run = new Run();
        CompletableFuture<Integer> code = CompletableFuture.supplyAsync(() -> run.execute("drain", config.toString()));
        String name = vm.spec().machine().runnerName();
        Eventually.holds(
                "it shows what it waits for", PATIENCE, () -> run.out.toString().contains(name));
        assertThat(machines()).contains("takes no jobs until it is started again");
        assertThat(code).isNotDone();

        forrest.finish(vm, job);
        assertThat(code.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isZero();
        assertThat(run.out.toString()).endsWith(name + " has ended; 0 left.\nNo machine is left.\n");
    }

    @Test
    public void drainNeedNotBeWaitedFor() throws Exception {
        FakeVm vm = forrest.startJob(forrest.queue());
        awaitWork();
        Run run = new Run();
        assertThat(run.execute("drain", "--no-wait", config.toString())).isZero();
        assertThat(run.out.toString()).contains(vm.spec().machine().runnerName());
        assertThat(vm.isRunning()).isTrue();
    }

    @Test
    public void whoeverWaitsHearsThatTheDaemonEndedMeanwhile() throws Exception {
        forrest.startJob(forrest.queue());
        awaitWork();
        Run run = new Run();
        CompletableFuture<Integer> code = CompletableFuture.supplyAsync(() -> run.execute("drain", config.toString()));
        Eventually.holds("it waits", PATIENCE, () -> run.out.toString().contains("running"));
        forrest.close();
        assertThat(code.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isEqualTo(1);
        assertThat(run.out.toString()).contains("Forrest ended meanwhile");
    }

    @Test
    public void withoutADaemonTheySaySoAndWhatBecomesOfItsVms() {
        forrest.close();
        for (String command : new String[] {"machines", "drain"}) {
            Run run = new Run();
            assertThat(run.execute(command, config.toString())).isEqualTo(1);
            assertThat(run.out.toString()).isEmpty();
            assertThat(run.errors.toString())
                    .contains("does not run", forrest.directory() + "/control.sock", "VMs", "go on");
        }
    }

    @Test
    public void aConfigurationThatIsBrokenElsewhereKeepsNobodyFromDraining() throws Exception {
        Files.writeString(config, Files.readString(config).replace("app_id", "app_if"));
        assertThat(new Run().execute("drain", config.toString())).isZero();
        Files.writeString(config, Files.readString(config).replace("base_dir", "base_dri"));
        Run run = new Run();
        assertThat(run.execute("drain", config.toString())).isEqualTo(1);
        assertThat(run.errors.toString()).contains("base_dri");
    }
}
