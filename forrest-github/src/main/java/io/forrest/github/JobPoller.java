package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.kohsuke.github.GHException;
import org.kohsuke.github.GHRepository;
import org.kohsuke.github.GHWorkflowRun;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks GitHub for jobs, at the start and every polling interval: webhooks get lost.
 *
 * <p>Looks at the workflow runs of the last day, and at those that want a runner or have one whatever their age: a run keeps
 * its date when it is run again. Jobs are read of all runs that are not over, and once more after a run has ended or has
 * left those lists, so that the end of each job is learned of. One thread polls; everything but {@link #refresh} and
 * {@link #close} stays on it.
 */
public final class JobPoller implements JobSource {
    private static final Logger LOG = LoggerFactory.getLogger(JobPoller.class);

    /** GitHub cancels a job that has waited for a runner for 24 hours. */
    private static final Duration LOOK_BACK = Duration.ofHours(24);

    /** GitHub's clock and ours differ. */
    private static final Duration CLOCK_SKEW = Duration.ofMinutes(5);

    /** A burst of wishes for a fresh look costs one look. */
    private static final Duration REFRESH_DELAY = Duration.ofSeconds(2);

    private static final int PAGE_SIZE = 100;
    private static final int NOT_FOUND = 404;
    private static final byte[] NO_BODY = new byte[0];

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
    private final Outlet outlet = new Outlet();

    // Only on the polling thread.
    private final Map<RepositoryId, View> views = new HashMap<>();

    public JobPoller(GitHubConnection connection, GitHubConfig github, ConfigSource config, Clock clock) {
        this.connection = connection;
        this.github = github;
        this.config = config;
        this.clock = clock;
    }

    /** What is remembered of a repository between two looks. */
    private static final class View {
        /** Runs that ended before this were over before anybody could ask about their jobs. */
        private final Instant since;

        private Optional<GHRepository> repository = Optional.empty();

        /** Runs with jobs that were not over. */
        private Set<Long> open = new HashSet<>();

        /** When each run that is over and read to its end was changed last; a run can be run again. */
        private Map<Long, Instant> closed = new HashMap<>();

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
        outlet.open(observer);
        long intervalMillis = github.pollingInterval().toMillis();
        Future<?> unused = thread.scheduleWithFixedDelay(this::pollAll, 0, intervalMillis, TimeUnit.MILLISECONDS);
    }

    @Override
    public void refresh() {
        if (outlet.isOpen() && refreshing.compareAndSet(false, true)) {
            try {
                Future<?> unused = thread.schedule(this::pollAll, REFRESH_DELAY.toMillis(), TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException e) {
                LOG.debug("The poller was closed meanwhile.", e);
            }
        }
    }

    @Override
    public void close() {
        outlet.close();
        thread.shutdownNow();
    }

    private void pollAll() {
        refreshing.set(false);
        try {
            Set<RepositoryId> repositories = config.current().repositories().keySet();
            views.keySet().retainAll(repositories);
            for (RepositoryId repository : repositories) {
                if (!outlet.isOpen()) {
                    return;
                }
                poll(repository);
            }
        } catch (RuntimeException | Error e) {
            // The schedule would end with it, without a word.
            LOG.error("Polling failed; it goes on in {}.", github.pollingInterval(), e);
        }
    }

    private void poll(RepositoryId repository) {
        try {
            look(repository, views.computeIfAbsent(repository, any -> new View(clock.instant())));
        } catch (IOException | GHException | PluginException e) {
            if (outlet.isOpen()) {
                LOG.warn("Could not look for the jobs of {}. {}", repository, reason(e));
            }
        }
    }

    /** The library wraps what our connector throws, sometimes twice; what it found itself has a message of its own. */
    private static String reason(Exception e) {
        Throwable cause = e;
        while (!(cause instanceof PluginException) && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage()).replaceAll("\\s+", " ");
    }

    private void look(RepositoryId id, View view) throws IOException, PluginException {
        if (view.repository.isEmpty()) {
            view.repository = Optional.of(connection.client(id).getRepository(id.toString()));
        }
        Set<Long> open = new HashSet<>();
        Map<Long, Instant> closed = new HashMap<>();
        for (GHWorkflowRun run : runs(view.repository.get())) {
            long runId = run.getId();
            Instant changed = run.getUpdatedAt().toInstant();
            if (run.getStatus() != GHWorkflowRun.Status.COMPLETED) {
                observeJobs(id, runId);
                open.add(runId);
            } else {
                boolean old = changed.equals(view.closed.get(runId))
                        || (changed.isBefore(view.since.minus(CLOCK_SKEW)) && !view.open.contains(runId));
                if (!old) {
                    observeJobs(id, runId);
                }
                closed.put(runId, changed);
            }
        }
        for (long runId : view.open) {
            if (!open.contains(runId) && !closed.containsKey(runId) && observeJobs(id, runId)) {
                open.add(runId);
            }
        }
        view.open = open;
        view.closed = closed;
    }

    private Iterable<GHWorkflowRun> runs(GHRepository repository) throws IOException {
        Instant from = clock.instant().minus(LOOK_BACK).truncatedTo(ChronoUnit.SECONDS);
        // By age, so that older jobs are told of first.
        Map<Long, GHWorkflowRun> runs = new TreeMap<>();
        for (GHWorkflowRun.Status status :
                new GHWorkflowRun.Status[] {GHWorkflowRun.Status.QUEUED, GHWorkflowRun.Status.IN_PROGRESS}) {
            for (GHWorkflowRun run :
                    repository.queryWorkflowRuns().status(status).list().withPageSize(PAGE_SIZE)) {
                runs.put(run.getId(), run);
            }
        }
        // Asked for last: of a run that ends meanwhile, the newer word counts.
        for (GHWorkflowRun run :
                repository.queryWorkflowRuns().created(">=" + from).list().withPageSize(PAGE_SIZE)) {
            runs.put(run.getId(), run);
        }
        return runs.values();
    }

    /** Tells of all jobs of a run; returns whether any of them is not over. */
    private boolean observeJobs(RepositoryId repository, long runId) throws PluginException {
        boolean open = false;
        Optional<URI> page = Optional.of(
                connection.address("/repos/" + repository + "/actions/runs/" + runId + "/jobs?per_page=" + PAGE_SIZE));
        try {
            while (page.isPresent()) {
                RestAnswer answer = connection.asInstallation(repository, "GET", page.get(), NO_BODY);
                for (JsonNode job : answer.body().path("jobs")) {
                    open |= observe(repository, job);
                }
                page = answer.nextPage();
            }
            return open;
        } catch (GitHubRefusal e) {
            if (e.status() == NOT_FOUND) {
                // Somebody deleted the run.
                return false;
            }
            throw e;
        }
    }

    private boolean observe(RepositoryId repository, JsonNode job) {
        Optional<JobStatus> status = JobTranslator.status(job.path("status").asText());
        if (status.isPresent()) {
            try {
                outlet.tell(JobTranslator.observation(job, status.get(), repository, clock.instant(), name()));
            } catch (IllegalArgumentException e) {
                LOG.warn("GitHub shows a job of {} that cannot be read: {}.", repository, e.getMessage());
            }
        }
        return !status.equals(Optional.of(JobStatus.COMPLETED));
    }
}
