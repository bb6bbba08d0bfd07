package io.forrest.launcher.bench;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.domain.RepositoryId;
import io.forrest.github.GitHubConnection;
import io.forrest.github.JobPoller;
import io.forrest.github.MissedWebhooks;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.Hypervisors;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code forrest bench poll}: what looking for jobs costs at GitHub, at the start and when nothing has changed since.
 *
 * <p>All of it is real but GitHub, which is embedded: it is asked over HTTP, and counts requests against its rate limit as
 * GitHub does.
 */
@Command(
        name = "poll",
        description = "Count what a first look for jobs costs at GitHub, and a second one when nothing has changed.",
        mixinStandardHelpOptions = true)
final class PollBench implements Callable<Integer> {
    /** More would meet GitHub's rate limit at the first look. */
    private static final int REPOSITORIES_OF_AN_OWNER = 50;

    private static final int PATIENCE_SECONDS = 300;

    @Option(
            names = "--repositories",
            defaultValue = "50",
            description = "how many repositories there are; default: ${DEFAULT-VALUE}")
    private int repositories;

    @Option(
            names = "--finished",
            defaultValue = "20",
            description = "how many runs of each are over; default: ${DEFAULT-VALUE}")
    private int finished;

    @Option(
            names = "--queued",
            defaultValue = "2",
            description = "how many runs of each are queued; default: ${DEFAULT-VALUE}")
    private int queued;

    @Option(names = "--json", description = "Print the second look's figures, and some more, as one line of JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    /**
     * One look.
     *
     * @param notModified requests that were answered 304
     * @param counted requests that count against the rate limit
     */
    private record Look(int requests, int notModified, int counted, double millis) {}

    /** A look, which blocks. */
    private interface Looking {
        void look() throws InterruptedException, ExecutionException, TimeoutException;
    }

    @Override
    public Integer call() throws InterruptedException {
        try (CleanUp cleanUp = new CleanUp()) {
            Path work = Files.createTempDirectory("forrest-bench");
            cleanUp.add(() -> delete(work));
            EmbeddedGitHub gitHub = cleanUp.add(new EmbeddedGitHub(Clock.systemUTC()));
            ConfigFile config =
                    cleanUp.add(ConfigFile.open(prepare(work, gitHub), Hypervisors.all(), Clock.systemUTC()));
            GitHubConnection connection = new GitHubConnection(config.current().github(), Clock.systemUTC());
            JobPoller poller = cleanUp.add(new JobPoller(
                    connection, config.current().github(), config, Clock.systemUTC(), work.resolve("polling.json")));
            MissedWebhooks missed = cleanUp.add(new MissedWebhooks(
                    connection, config.current().github(), work.resolve("webhooks.json"), poller::refresh));
            Looking looking =
                    () -> CompletableFuture.allOf(poller.poll(), missed.look()).get(PATIENCE_SECONDS, TimeUnit.SECONDS);

            Look first = measure(gitHub, looking);
            AtomicInteger jobs = new AtomicInteger();
            // Nothing is due yet: it only has the second look tell of jobs.
            poller.start(any -> jobs.incrementAndGet());
            Look second = measure(gitHub, looking);
            if (jobs.get() != repositories * queued) {
                spec.commandLine()
                        .getErr()
                        .println("The second look told of " + jobs + " jobs, not of " + repositories * queued + ".");
                return 1;
            }
            report(spec.commandLine().getOut(), first, second);
            return 0;
        } catch (IOException | ConfigException | PluginException | ExecutionException | TimeoutException e) {
            spec.commandLine().getErr().println(e.getMessage());
            return 1;
        }
    }

    private static Look measure(EmbeddedGitHub gitHub, Looking looking)
            throws InterruptedException, ExecutionException, TimeoutException {
        int before = gitHub.requests().size();
        int countedBefore = gitHub.requestsCounted();
        long startNanos = System.nanoTime();
        looking.look();
        double millis = (System.nanoTime() - startNanos) / 1e6;
        List<String> all = gitHub.requests();
        List<String> requests = all.subList(before, all.size());
        return new Look(
                requests.size(),
                (int) requests.stream()
                        .filter(request -> request.endsWith(" 304"))
                        .count(),
                gitHub.requestsCounted() - countedBefore,
                millis);
    }

    private void report(PrintWriter out, Look first, Look second) {
        if (json) {
            out.printf(
                    Locale.ROOT,
                    "{\"requests\":%d,\"not_modified\":%d,\"rate_limit_cost\":%d,\"ms\":%.0f,\"first_requests\":%d,"
                            + "\"first_rate_limit_cost\":%d,\"first_ms\":%.0f,\"repositories\":%d,\"unfinished_runs\":%d}%n",
                    second.requests(),
                    second.notModified(),
                    second.counted(),
                    second.millis(),
                    first.requests(),
                    first.counted(),
                    first.millis(),
                    repositories,
                    repositories * queued);
            return;
        }
        out.printf(
                "Looking for jobs in %d repositories, each with %d finished and %d queued runs:%n",
                repositories, finished, queued);
        out.println("              requests  not modified  rate limit      time");
        line(out, "first look", first);
        line(out, "second look", second);
    }

    private static void line(PrintWriter out, String name, Look look) {
        out.printf(
                Locale.ROOT,
                "%-12s %,9d %,13d %,11d %,6.0f ms%n",
                name,
                look.requests(),
                look.notModified(),
                look.counted(),
                look.millis());
    }

    private Path prepare(Path work, EmbeddedGitHub gitHub) throws IOException {
        StringBuilder tree = new StringBuilder();
        List<RepositoryId> all = new ArrayList<>();
        for (int i = 0; i < repositories; i++) {
            RepositoryId repository = new RepositoryId("owner-" + i / REPOSITORIES_OF_AN_OWNER, "repository-" + i);
            if (i % REPOSITORIES_OF_AN_OWNER == 0) {
                tree.append("  ").append(repository.owner()).append(":\n");
            }
            tree.append("    ").append(repository.name()).append(": {machines: {}}\n");
            gitHub.addRepository(repository);
            all.add(repository);
        }
        for (RepositoryId repository : all) {
            for (int i = 0; i < finished; i++) {
                gitHub.cancelJob(gitHub.queueJob(job(repository)));
            }
            for (int i = 0; i < queued; i++) {
                gitHub.queueJob(job(repository));
            }
        }
        gitHub.writeKey(work.resolve("app-key.pem"));
        return Files.writeString(
                work.resolve("config.yaml"),
                """
                host: {base_dir: %1$s, ram: 1G}
                github:
                  api_url: %2$s
                  app_id: "%3$s"
                  jwt_key_file: %1$s/app-key.pem
                  webhook_secret: "%4$s"
                repositories:
                """
                                .formatted(work, gitHub.apiUrl(), gitHub.appId(), gitHub.webhookSecret())
                        + tree);
    }

    private static EmbeddedGitHub.JobRequest job(RepositoryId repository) {
        return EmbeddedGitHub.JobRequest.push(repository, "bench", "build", "");
    }

    private static void delete(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
