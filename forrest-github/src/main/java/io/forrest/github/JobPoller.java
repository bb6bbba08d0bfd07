package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
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
 * left those lists, so that the end of each job is learned of. A job that GitHub shows no longer, though its run was read,
 * is told of as over.
 *
 * <p>A repository that could not be looked at has its turn again later and later, but never later than the others, and
 * when GitHub answers again after an outage. One thread polls; everything but {@link #refresh}, {@link #follow} and
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

    private static final Duration FIRST_RETRY = Duration.ofSeconds(10);

    /** With GitHub coming and going, no more looks than this are taken because it came. */
    private static final Duration BETWEEN_WAKINGS = Duration.ofMinutes(1);

    /** GitHub's lists may lag behind its webhooks. */
    private static final Duration LISTS_LAG = Duration.ofMinutes(1);

    /** Of one look; with more, the rest would fail, too. */
    private static final int MOST_FAILURES = 3;

    private static final int MOST_FOLLOWED = 10_000;
    private static final int PAGE_SIZE = 100;
    private static final int NOT_FOUND = 404;
    private static final byte[] NO_BODY = new byte[0];

    private final GitHubConnection connection;
    private final Duration interval;
    private final ConfigSource config;
    private final Clock clock;
    private final RandomGenerator random;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread poller = new Thread(work, "forrest-poller");
        poller.setDaemon(true);
        return poller;
    });
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private final Outlet outlet = new Outlet();

    /** Jobs that others told of since the last look at their repository. */
    private final Map<JobId, JobObservation> followed = new ConcurrentHashMap<>();

    // Only on the polling thread.
    private final Map<RepositoryId, View> views = new HashMap<>();
    private Optional<Future<?>> next = Optional.empty();
    private long lastWakingNanos = System.nanoTime() - BETWEEN_WAKINGS.toNanos();

    public JobPoller(GitHubConnection connection, GitHubConfig github, ConfigSource config, Clock clock) {
        this(connection, github, config, clock, new Random());
    }

    /** {@code random} spreads retries. */
    JobPoller(
            GitHubConnection connection,
            GitHubConfig github,
            ConfigSource config,
            Clock clock,
            RandomGenerator random) {
        this.connection = connection;
        this.interval = github.pollingInterval();
        this.config = config;
        this.clock = clock;
        this.random = random;
        connection.whenBack(() -> submit(this::wake, Duration.ZERO));
    }

    /** What is remembered of a repository between two looks. */
    private static final class View {
        /** Runs that ended before this were over before anybody could ask about their jobs. */
        private final Instant since;

        private final BackOff backOff;
        private Optional<GHRepository> repository = Optional.empty();

        /** Runs with jobs that were not over. */
        private Set<Long> open = new HashSet<>();

        /** Jobs that were not over when they were last heard of. */
        private final Map<JobId, JobObservation> pending = new HashMap<>();

        /** When each run that is over and read to its end was changed last; a run can be run again. */
        private Map<Long, Instant> closed = new HashMap<>();

        /** What the last look failed with. */
        private Optional<String> trouble = Optional.empty();

        private long dueNanos = System.nanoTime();

        View(Instant since, BackOff backOff) {
            this.since = since;
            this.backOff = backOff;
        }
    }

    /**
     * What one look has found.
     *
     * @param readRuns runs all of whose jobs were read
     * @param openRuns runs with jobs that are not over
     * @param failures why others could not be read
     */
    private record Found(Set<Long> readRuns, Set<Long> openRuns, Set<JobId> jobs, List<PluginException> failures) {
        Found() {
            this(new HashSet<>(), new HashSet<>(), new HashSet<>(), new ArrayList<>());
        }
    }

    @Override
    public String name() {
        return "poll";
    }

    @Override
    public void start(JobSink observer) {
        outlet.open(observer);
        submit(this::pollDue, Duration.ZERO);
    }

    @Override
    public void refresh() {
        if (outlet.isOpen() && refreshing.compareAndSet(false, true)) {
            submit(this::pollAll, REFRESH_DELAY);
        }
    }

    /**
     * Has the poller look for the end of a job that another source told of: its webhook may get lost, too. Never blocks;
     * from any thread.
     */
    public void follow(JobObservation job) {
        if (followed.size() < MOST_FOLLOWED) {
            followed.merge(job.job(), job, (a, b) -> a.status().compareTo(b.status()) > 0 ? a : b);
        }
    }

    @Override
    public void close() {
        outlet.close();
        thread.shutdownNow();
    }

    private Optional<Future<?>> submit(Runnable work, Duration delay) {
        try {
            return Optional.of(thread.schedule(work, delay.toNanos(), TimeUnit.NANOSECONDS));
        } catch (RejectedExecutionException e) {
            LOG.debug("The poller was closed meanwhile.", e);
            return Optional.empty();
        }
    }

    /** GitHub is back: nobody waits for the next retry. */
    private void wake() {
        long now = System.nanoTime();
        boolean troubled = views.values().stream().anyMatch(view -> view.trouble.isPresent());
        if (troubled && now - lastWakingNanos >= BETWEEN_WAKINGS.toNanos()) {
            lastWakingNanos = now;
            refresh();
        }
    }

    private void pollAll() {
        refreshing.set(false);
        long now = System.nanoTime();
        views.values().forEach(view -> view.dueNanos = now);
        pollDue();
    }

    private void pollDue() {
        if (!outlet.isOpen()) {
            return;
        }
        next.ifPresent(planned -> planned.cancel(false));
        try {
            Set<RepositoryId> repositories = config.current().repositories().keySet();
            views.keySet().retainAll(repositories);
            followed.values().removeIf(job -> !repositories.contains(job.repository()));
            for (RepositoryId repository : repositories) {
                View view = views.computeIfAbsent(repository, any -> new View(clock.instant(), newBackOff()));
                if (outlet.isOpen() && System.nanoTime() - view.dueNanos >= 0) {
                    poll(repository, view);
                }
            }
        } catch (RuntimeException | Error e) {
            // The schedule would end with it, without a word.
            LOG.error("Polling failed; it goes on in {}.", interval, e);
        }
        long now = System.nanoTime();
        long waitNanos = views.values().stream()
                .mapToLong(view -> Math.max(0, view.dueNanos - now))
                .min()
                .orElse(interval.toNanos());
        // The configuration may have another repository by then.
        next = submit(this::pollDue, Duration.ofNanos(Math.min(waitNanos, interval.toNanos())));
    }

    private BackOff newBackOff() {
        return new BackOff(FIRST_RETRY, interval.dividedBy(2), random);
    }

    /** Whatever goes wrong here does not keep other repositories from their turn. */
    private void poll(RepositoryId repository, View view) {
        Duration wait = interval;
        try {
            look(repository, view);
            view.backOff.reset();
            if (view.trouble.isPresent()) {
                view.trouble = Optional.empty();
                LOG.info("The jobs of {} can be looked for again.", repository);
            }
        } catch (IOException | GHException | PluginException e) {
            wait = min(interval, max(view.backOff.next(), pause(repository)));
            if (outlet.isOpen()) {
                tellOf(repository, view, e);
            }
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: the jobs of {} could not be looked for; tried again in {}.", repository, interval, e);
        }
        view.dueNanos = System.nanoTime() + wait.toNanos();
    }

    /** With jitter, so that not everybody who was sent away until then comes at once. */
    private Duration pause(RepositoryId repository) {
        Duration pause = connection.pause(repository);
        return pause.isZero() ? pause : pause.plus(BackOff.jittered(FIRST_RETRY, random));
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    private static Duration max(Duration a, Duration b) {
        return a.compareTo(b) > 0 ? a : b;
    }

    /** The same trouble is told of once, and not at all if the log tells of it already. */
    private void tellOf(RepositoryId repository, View view, Exception e) {
        String reason = reason(e);
        if (connection.isKnown(e)) {
            LOG.debug("Could not look for the jobs of {}. {}", repository, reason);
        } else if (!view.trouble.equals(Optional.of(reason))) {
            LOG.warn("Could not look for the jobs of {}. {} It is tried again later and later.", repository, reason);
        }
        view.trouble = Optional.of(reason);
    }

    /** The library wraps what our connector throws, sometimes twice; what it found itself has a message of its own. */
    private static String reason(Exception e) {
        Throwable cause = e;
        while (!(cause instanceof PluginException) && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage()).replaceAll("\\s+", " ");
    }

    /** What could be read is not lost because something else could not: that is read the next time. */
    private void look(RepositoryId id, View view) throws IOException, PluginException {
        if (view.repository.isEmpty()) {
            view.repository = Optional.of(connection.client(id).getRepository(id.toString()));
        }
        takeFollowed(id, view);
        List<JobObservation> expected = List.copyOf(view.pending.values());
        Found found = new Found();
        Set<Long> open = new HashSet<>();
        Map<Long, Instant> closed = new HashMap<>();
        for (GHWorkflowRun run : runs(view.repository.get())) {
            long runId = run.getId();
            Instant changed = run.getUpdatedAt().toInstant();
            if (run.getStatus() != GHWorkflowRun.Status.COMPLETED) {
                read(id, runId, view, found);
                open.add(runId);
            } else {
                boolean old = changed.equals(view.closed.get(runId))
                        || (changed.isBefore(view.since.minus(CLOCK_SKEW)) && !view.open.contains(runId));
                if (old || read(id, runId, view, found)) {
                    closed.put(runId, changed);
                } else {
                    open.add(runId);
                }
            }
        }
        Set<Long> missed = new TreeSet<>(view.open);
        missed.removeAll(closed.keySet());
        expected.forEach(job -> missed.add(job.workflowRunId()));
        missed.removeAll(found.readRuns());
        missed.removeAll(open);
        for (long runId : missed) {
            boolean read = read(id, runId, view, found);
            if (!closed.containsKey(runId) && (!read || found.openRuns().contains(runId))) {
                open.add(runId);
            }
        }
        view.open = open;
        view.closed = closed;
        expected.forEach(job -> tellIfGone(job, view, found));
        if (!found.failures().isEmpty()) {
            throw found.failures().get(0);
        }
    }

    /** Whether a run's jobs could be read and told of. A forge that fails again and again is left alone. */
    private boolean read(RepositoryId repository, long runId, View view, Found found) {
        if (found.failures().size() >= MOST_FAILURES) {
            return false;
        }
        try {
            observeJobs(repository, runId, view, found);
            return true;
        } catch (PluginException e) {
            found.failures().add(e);
            return false;
        }
    }

    private void takeFollowed(RepositoryId repository, View view) {
        for (JobObservation job : List.copyOf(followed.values())) {
            if (job.repository().equals(repository) && followed.remove(job.job(), job)) {
                if (job.status() == JobStatus.COMPLETED) {
                    view.pending.remove(job.job());
                } else {
                    view.pending.putIfAbsent(job.job(), job);
                }
            }
        }
    }

    /** Somebody deleted its run, or ran it again: it would count as queued for a day. Its machine, if any, goes by its VM. */
    private void tellIfGone(JobObservation job, View view, Found found) {
        if (found.readRuns().contains(job.workflowRunId())
                && !found.jobs().contains(job.job())
                && !clock.instant().isBefore(job.observedAt().plus(LISTS_LAG))) {
            view.pending.remove(job.job());
            LOG.info("Job {} of {} is not there any more.", job.job(), job.repository());
            outlet.tell(new JobObservation(
                    job.job(),
                    job.workflowRunId(),
                    job.repository(),
                    job.labels(),
                    JobStatus.COMPLETED,
                    Optional.empty(),
                    job.commit(),
                    clock.instant(),
                    name()));
        }
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

    /** Tells of all jobs of a run. */
    private void observeJobs(RepositoryId repository, long runId, View view, Found found) throws PluginException {
        boolean open = false;
        int read = 0;
        int total = 0;
        Optional<URI> page = Optional.of(
                connection.address("/repos/" + repository + "/actions/runs/" + runId + "/jobs?per_page=" + PAGE_SIZE));
        try {
            while (page.isPresent()) {
                RestAnswer answer = connection.asInstallation(repository, "GET", page.get(), NO_BODY);
                for (JsonNode job : answer.body().path("jobs")) {
                    open |= observe(repository, job, view, found);
                    read++;
                }
                total = answer.body().path("total_count").asInt(Integer.MAX_VALUE);
                page = answer.nextPage();
            }
        } catch (GitHubRefusal e) {
            if (e.status() != NOT_FOUND) {
                throw e;
            }
            // Somebody deleted the run.
        }
        if (read == total) {
            found.readRuns().add(runId);
        }
        if (open) {
            found.openRuns().add(runId);
        }
    }

    private boolean observe(RepositoryId repository, JsonNode job, View view, Found found) {
        found.jobs().add(new JobId(job.path("id").asLong()));
        Optional<JobStatus> status = JobTranslator.status(job.path("status").asText());
        if (status.isPresent()) {
            try {
                JobObservation seen = JobTranslator.observation(job, status.get(), repository, clock.instant(), name());
                if (seen.status() == JobStatus.COMPLETED) {
                    view.pending.remove(seen.job());
                } else {
                    view.pending.put(seen.job(), seen);
                }
                outlet.tell(seen);
            } catch (IllegalArgumentException e) {
                LOG.warn("GitHub shows a job of {} that cannot be read: {}.", repository, e.getMessage());
            }
        }
        return !status.equals(Optional.of(JobStatus.COMPLETED));
    }
}
