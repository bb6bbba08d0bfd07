package io.forrest.github;

import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.kohsuke.github.GHException;
import org.kohsuke.github.GHRepository;
import org.kohsuke.github.GHWorkflowJob;
import org.kohsuke.github.GHWorkflowRun;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks GitHub for jobs, at the start and every polling interval: webhooks get lost.
 *
 * <p>Jobs are read of all runs that are not over, and once more of those that have ended since the last look, so that the
 * end of a job is learned of, too. One thread polls; everything but {@link #refresh} and {@link #close} stays on it.
 */
public final class JobPoller implements JobSource {
    private static final Logger LOG = LoggerFactory.getLogger(JobPoller.class);

    /** GitHub cancels a job that has waited for a runner for 24 hours. */
    private static final Duration LOOK_BACK = Duration.ofHours(24);

    /** GitHub's clock and ours differ. */
    private static final Duration CLOCK_SKEW = Duration.ofMinutes(5);

    /** A burst of requests for a fresh look costs one look. */
    private static final Duration REFRESH_DELAY = Duration.ofSeconds(2);

    private static final int PAGE_SIZE = 100;

    private final GitHubConnection connection;
    private final GitHubConfig github;
    private final ConfigSource config;
    private final Clock clock;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread poller = new Thread(work, "forrest-poller");
        poller.setDaemon(true);
        return poller;
    });
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private final Map<RepositoryId, View> views = new ConcurrentHashMap<>();
    private volatile Optional<JobSink> sink = Optional.empty();

    public JobPoller(GitHubConnection connection, GitHubConfig github, ConfigSource config, Clock clock) {
        this.connection = connection;
        this.github = github;
        this.config = config;
        this.clock = clock;
    }

    /** What is remembered of a repository between two looks. */
    private static final class View {
        private final Instant since;
        private Optional<GHRepository> repository = Optional.empty();
        private Set<Long> readToTheEnd = new HashSet<>();

        View(Instant since) {
            this.since = since;
        }
    }

    @Override
    public String name() {
        return "poll";
    }

    @Override
    public void start(JobSink observer) {
        sink = Optional.of(observer);
        long intervalMillis = github.pollingInterval().toMillis();
        Future<?> unused = thread.scheduleWithFixedDelay(this::pollAll, 0, intervalMillis, TimeUnit.MILLISECONDS);
    }

    @Override
    public void refresh() {
        if (sink.isPresent() && refreshing.compareAndSet(false, true)) {
            Future<?> unused = thread.schedule(this::pollAll, REFRESH_DELAY.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void close() {
        sink = Optional.empty();
        thread.shutdownNow();
    }

    private void pollAll() {
        refreshing.set(false);
        for (RepositoryId repository : config.current().repositories().keySet()) {
            if (sink.isEmpty()) {
                return;
            }
            try {
                poll(repository, views.computeIfAbsent(repository, any -> new View(clock.instant())));
            } catch (IOException | GHException e) {
                LOG.warn("Could not ask GitHub for the jobs of {}: {}", repository, reason(e));
            } catch (RuntimeException e) {
                // The schedule would end with it.
                LOG.error("Polling {} failed.", repository, e);
            }
        }
    }

    private static String reason(Exception e) {
        Throwable cause = e;
        while (cause.getCause() != null && cause instanceof GHException) {
            cause = cause.getCause();
        }
        return cause.getMessage();
    }

    private void poll(RepositoryId id, View view) throws IOException {
        if (view.repository.isEmpty()) {
            view.repository = Optional.of(connection.client(id).getRepository(id.toString()));
        }
        Instant from = clock.instant().minus(LOOK_BACK).truncatedTo(ChronoUnit.SECONDS);
        Set<Long> readToTheEnd = new HashSet<>();
        for (GHWorkflowRun run : view.repository
                .get()
                .queryWorkflowRuns()
                .created(">=" + from)
                .list()
                .withPageSize(PAGE_SIZE)) {
            boolean over = run.getStatus() == GHWorkflowRun.Status.COMPLETED;
            boolean old = over
                    && (view.readToTheEnd.contains(run.getId())
                            || run.getUpdatedAt().toInstant().isBefore(view.since.minus(CLOCK_SKEW)));
            if (!old) {
                for (GHWorkflowJob job : run.listJobs().withPageSize(PAGE_SIZE)) {
                    observe(id, run, job);
                }
            }
            if (over) {
                readToTheEnd.add(run.getId());
            }
        }
        view.readToTheEnd = readToTheEnd;
    }

    private void observe(RepositoryId repository, GHWorkflowRun run, GHWorkflowJob job) {
        Optional<JobStatus> status = JobStatuses.of(job.getStatus().name());
        if (status.isPresent()) {
            sink.ifPresent(observer -> observer.observe(new JobObservation(
                    new JobId(job.getId()),
                    run.getId(),
                    repository,
                    job.getLabels(),
                    status.get(),
                    Optional.ofNullable(job.getRunnerName()).filter(name -> !name.isEmpty()),
                    clock.instant(),
                    name())));
        }
    }
}
