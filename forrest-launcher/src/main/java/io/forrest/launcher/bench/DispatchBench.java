package io.forrest.launcher.bench;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import io.forrest.HostCheckException;
import io.forrest.config.ConfigException;
import io.forrest.config.ConfigSource;
import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.github.GitHubConnection;
import io.forrest.github.GitHubRunnerBroker;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.launcher.Accelerators;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.Daemon;
import io.forrest.launcher.Hypervisors;
import io.forrest.launcher.ShippedFiles;
import io.forrest.launcher.demo.DemoStore;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code forrest bench dispatch}: the time from a job's queueing at GitHub to the exec of its machine's QEMU.
 *
 * <p>All of it is real but GitHub, which is embedded: the webhook comes over HTTP, the disk is a clone, QEMU runs. What
 * GitHub takes for the registration of the runner is measured and taken off, since it is not Forrest's to make faster.
 */
@Command(
        name = "dispatch",
        description = "Measure the time from a queued webhook to QEMU's exec, without GitHub's part of it.",
        mixinStandardHelpOptions = true)
final class DispatchBench implements Callable<Integer> {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final String MACHINE_TYPE = "build";
    private static final int WARM_UP_ROUNDS = 10;
    private static final Duration BETWEEN_JOBS = Duration.ofMillis(300);
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long IMAGE_BYTES = 1L << 30;

    @Parameters(
            arity = "0..1",
            paramLabel = "DIRECTORY",
            description = "where to work, for a moment; default: /var/tmp")
    private Optional<Path> directory = Optional.empty();

    @Option(
            names = "--rounds",
            defaultValue = "50",
            description = "how many jobs to measure; default: ${DEFAULT-VALUE}")
    private int rounds;

    @Option(names = "--json", description = "Print the figures as one line of JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    private final Stopwatch stopwatch = new Stopwatch();

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        try (CleanUp cleanUp = new CleanUp()) {
            Path work = DemoStore.open(directory, cleanUp).directory();
            EmbeddedGitHub gitHub = cleanUp.add(new EmbeddedGitHub(Clock.systemUTC()));
            Daemon daemon = cleanUp.add(Daemon.of(prepare(work, gitHub), new StopwatchModule(stopwatch)));
            cleanUp.add(daemon::endMachines);
            daemon.start();
            gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(work.resolve("base"))));
            List<Double> millis = new ArrayList<>();
            for (int round = -WARM_UP_ROUNDS; round < rounds; round++) {
                double taken = measure(gitHub, daemon);
                if (round >= 0) {
                    millis.add(taken);
                }
            }
            report(out, new Percentiles(millis));
            return 0;
        } catch (IOException
                | ConfigException
                | PluginException
                | HostCheckException
                | TimeoutException
                | ExecutionException e) {
            spec.commandLine().getErr().println(e.getMessage());
            return 1;
        }
    }

    private void report(PrintWriter out, Percentiles figures) {
        if (json) {
            out.printf(
                    "{\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"n\":%d}%n",
                    figures.percentile(50), figures.percentile(99), figures.count());
        } else {
            out.printf(
                    "From a queued webhook to QEMU's exec, without GitHub's time for the runner's registration:%n"
                            + "  p50 %.1f ms, p99 %.1f ms, %d jobs after %d to warm up%n",
                    figures.percentile(50), figures.percentile(99), figures.count(), WARM_UP_ROUNDS);
        }
    }

    /** One job: queued, its QEMU seen, cancelled, all gone. In milliseconds. */
    private double measure(EmbeddedGitHub gitHub, Daemon daemon)
            throws InterruptedException, TimeoutException, ExecutionException {
        stopwatch.reset();
        // Jobs in quick succession are waited for, so that the biggest goes first: that is not what is measured here.
        LockSupport.parkNanos(BETWEEN_JOBS.toNanos());
        long queuedNanos = System.nanoTime();
        JobId job = gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "bench", MACHINE_TYPE, ""));
        long takenNanos = stopwatch.awaitExec(PATIENCE) - queuedNanos - stopwatch.registrationNanos();
        gitHub.cancelJob(job);
        long deadlineNanos = System.nanoTime() + PATIENCE.toNanos();
        List<MachineSnapshot> left = daemon.forrest().machines().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        while (!left.isEmpty()) {
            if (System.nanoTime() > deadlineNanos) {
                throw new TimeoutException(left.get(0).id() + " did not end");
            }
            LockSupport.parkNanos(Duration.ofMillis(5).toNanos());
            left = daemon.forrest().machines().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        }
        return takenNanos / 1e6;
    }

    private static Path prepare(Path work, EmbeddedGitHub gitHub) throws IOException {
        ShippedFiles.unpack("setup-templates/generic", work.resolve("template"));
        try (RandomAccessFile image =
                new RandomAccessFile(work.resolve("src.raw").toFile(), "rw")) {
            image.setLength(IMAGE_BYTES);
        }
        gitHub.addRepository(REPOSITORY);
        gitHub.writeKey(work.resolve("app-key.pem"));
        Path config = work.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: 1G, qemu: {accelerator: %2$s}}
                github:
                  api_url: %3$s
                  app_id: "%4$s"
                  jwt_key_file: %1$s/app-key.pem
                  webhook_secret: "%5$s"
                repositories:
                  %6$s:
                    %7$s:
                      machines:
                        %8$s:
                          base_image: %1$s/src.raw
                          setup_template: {path: %1$s/template}
                          cpus: 1
                          ram: 128M
                          disk: 1G
                """
                        .formatted(
                                work,
                                Accelerators.choose().name(),
                                gitHub.apiUrl(),
                                gitHub.appId(),
                                gitHub.webhookSecret(),
                                REPOSITORY.owner(),
                                REPOSITORY.name(),
                                MACHINE_TYPE));
        return config;
    }

    /** Replaces the hypervisor and the broker by ones that are watched. */
    private static final class StopwatchModule extends AbstractModule {
        private final Stopwatch stopwatch;

        StopwatchModule(Stopwatch stopwatch) {
            this.stopwatch = stopwatch;
        }

        @Provides
        @Singleton
        Hypervisor hypervisor(ConfigSource config) {
            return stopwatch.watch(Hypervisors.create(config.current().host()));
        }

        @Provides
        @Singleton
        RunnerBroker runners(GitHubConnection gitHub) {
            return stopwatch.watch(new GitHubRunnerBroker(gitHub));
        }
    }
}
