package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.kohsuke.github.GHRepository;
import org.kohsuke.github.GHWorkflowRun;
import org.kohsuke.github.PagedIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the jobs of one repository, look by look.
 *
 * <p>Each look asks for the newest runs, up to those that an earlier look has seen: one page, unless a hundred runs are new.
 * GitHub lists runs by when they were made, and a run keeps that date when it is run again, for which it lets people 30 days.
 * So that page shows whatever changed if it goes back that far, or has all runs. Otherwise, and at the first look, runs that
 * are not over are asked for by their status, too.
 *
 * <p>Jobs are read of all runs that are not over, and once more after a run has ended or has left those lists, so that the
 * end of each job is learned of. A job that GitHub shows no longer, though its run was read, is told of as over.
 *
 * <p>One thread at a time; each sees what the one before has left.
 */
final class RunWatch {
    private static final Logger LOG = LoggerFactory.getLogger(RunWatch.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** GitHub cancels a job that has waited for a runner for 24 hours. */
    private static final Duration LOOK_BACK = Duration.ofHours(24);

    /** A day more than GitHub's documentation says ("Re-running workflows and jobs"). */
    private static final Duration RUN_AGAIN_WITHIN = Duration.ofDays(31);

    /** GitHub's clock and ours differ. */
    private static final Duration CLOCK_SKEW = Duration.ofMinutes(5);

    /** GitHub's lists may lag behind its webhooks. */
    private static final Duration LISTS_LAG = Duration.ofMinutes(1);

    /** Of one look; with more, the rest would fail, too. */
    private static final int MOST_FAILURES = 3;

    /** In these a run may have jobs that want a runner, or have one. */
    private static final List<GHWorkflowRun.Status> UNFINISHED = List.of(
            GHWorkflowRun.Status.QUEUED,
            GHWorkflowRun.Status.IN_PROGRESS,
            GHWorkflowRun.Status.WAITING,
            GHWorkflowRun.Status.PENDING);

    private static final int PAGE_SIZE = 100;
    private static final int NOT_FOUND = 404;
    private static final byte[] NO_BODY = new byte[0];

    private final RepositoryId id;
    private final String source;
    private final GitHubConnection connection;
    private final Clock clock;
    private final Consumer<JobObservation> sink;
    private Optional<GHRepository> repository = Optional.empty();

    /** Runs that ended before this, and were not open, were read or were over before anybody could ask about their jobs. */
    private Instant since;

    /** The newest run that was in a list; numbers grow. */
    private long newest;

    /** Runs with jobs that were not over. */
    private Set<Long> open;

    private boolean isFirst = true;

    /** Jobs that were not over when they were last heard of. */
    private final Map<JobId, JobObservation> pending = new HashMap<>();

    /** When each run that is over and read to its end was changed last; a run can be run again. */
    private Map<Long, Instant> closed = new HashMap<>();

    /**
     * @param source for observations
     * @param state what {@link #state} was of an earlier watch; missing if there was none
     * @param sink told of each job, at each look
     */
    RunWatch(
            RepositoryId id,
            String source,
            GitHubConnection connection,
            Clock clock,
            JsonNode state,
            Consumer<JobObservation> sink) {
        this.id = id;
        this.source = source;
        this.connection = connection;
        this.clock = clock;
        this.sink = sink;
        this.since = connection.now();
        this.newest = state.path("newest").asLong();
        this.open = new HashSet<>();
        state.path("open").forEach(run -> open.add(run.asLong()));
    }

    /** What the watch after this process's end begins with: how far lists were read, and which runs were not over. */
    ObjectNode state() {
        ObjectNode state = JSON.createObjectNode().put("newest", newest);
        new TreeSet<>(open).forEach(state.putArray("open")::add);
        return state;
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

    /** Somebody else told of this job since the last look: its end is looked for. */
    void follow(JobObservation job) {
        if (job.status() == JobStatus.COMPLETED) {
            pending.remove(job.job());
        } else {
            pending.putIfAbsent(job.job(), job);
        }
    }

    /** What could be read is not lost because something else could not: that is read the next time. */
    void look() throws IOException, PluginException {
        if (repository.isEmpty()) {
            repository = Optional.of(connection.client(id).getRepository(id.toString()));
        }
        List<JobObservation> expected = List.copyOf(pending.values());
        Instant begin = connection.now();
        Found found = new Found();
        Set<Long> nowOpen = new HashSet<>();
        Map<Long, Instant> nowClosed = new HashMap<>();
        for (GHWorkflowRun run : runs(repository.get())) {
            long runId = run.getId();
            Instant changed = run.getUpdatedAt().toInstant();
            if (run.getStatus() != GHWorkflowRun.Status.COMPLETED) {
                read(runId, found);
                nowOpen.add(runId);
            } else if (isOld(runId, changed) || read(runId, found)) {
                nowClosed.put(runId, changed);
            } else {
                nowOpen.add(runId);
            }
        }
        Set<Long> missed = new TreeSet<>(open);
        missed.removeAll(nowClosed.keySet());
        expected.forEach(job -> missed.add(job.workflowRunId()));
        missed.removeAll(found.readRuns());
        missed.removeAll(nowOpen);
        for (long runId : missed) {
            boolean read = read(runId, found);
            if (!nowClosed.containsKey(runId) && (!read || found.openRuns().contains(runId))) {
                nowOpen.add(runId);
            }
        }
        open = nowOpen;
        closed = nowClosed;
        since = begin;
        expected.forEach(job -> tellIfGone(job, found));
        if (!found.failures().isEmpty()) {
            throw found.failures().get(0);
        }
    }

    private boolean isOld(long runId, Instant changed) {
        return changed.equals(closed.get(runId))
                || (changed.isBefore(since.minus(CLOCK_SKEW)) && !open.contains(runId));
    }

    /** Whether a run's jobs could be read and told of. A forge that fails again and again is left alone. */
    private boolean read(long runId, Found found) {
        if (found.failures().size() >= MOST_FAILURES) {
            return false;
        }
        try {
            observeJobs(runId, found);
            return true;
        } catch (PluginException e) {
            found.failures().add(e);
            return false;
        }
    }

    /** Somebody deleted its run, or ran it again: it would count as queued for a day. Its machine, if any, goes by its VM. */
    private void tellIfGone(JobObservation job, Found found) {
        if (found.readRuns().contains(job.workflowRunId())
                && !found.jobs().contains(job.job())
                && !clock.instant().isBefore(job.observedAt().plus(LISTS_LAG))) {
            pending.remove(job.job());
            LOG.info("Job {} of {} is not there any more.", job.job(), job.repository());
            sink.accept(new JobObservation(
                    job.job(),
                    job.workflowRunId(),
                    job.repository(),
                    job.labels(),
                    JobStatus.COMPLETED,
                    Optional.empty(),
                    job.commit(),
                    clock.instant(),
                    source));
        }
    }

    /** By age, so that older jobs are told of first. */
    private Iterable<GHWorkflowRun> runs(GHRepository asked) throws IOException {
        Map<Long, GHWorkflowRun> runs = new TreeMap<>();
        boolean isWhole = readNewest(asked, runs);
        if (isFirst || !isWhole) {
            for (GHWorkflowRun.Status status : UNFINISHED) {
                for (GHWorkflowRun run :
                        asked.queryWorkflowRuns().status(status).list().withPageSize(PAGE_SIZE)) {
                    // Asked for last: of a run that changes meanwhile, the newer word counts.
                    runs.put(run.getId(), run);
                }
            }
        }
        isFirst = false;
        return runs.values();
    }

    /** Returns whether no run that is not among them can have changed, but for those known to be open. */
    private boolean readNewest(GHRepository asked, Map<Long, GHWorkflowRun> runs) throws IOException {
        Instant now = connection.now();
        PagedIterator<GHWorkflowRun> pages =
                asked.queryWorkflowRuns().list().withPageSize(PAGE_SIZE).iterator();
        Instant oldest = now;
        boolean reachesSeen = false;
        boolean isLast;
        long newestNow = newest;
        do {
            List<GHWorkflowRun> page = pages.nextPage();
            for (GHWorkflowRun run : page) {
                Instant made = run.getCreatedAt().toInstant();
                oldest = made.isBefore(oldest) ? made : oldest;
                reachesSeen |= run.getId() <= newest;
                newestNow = Math.max(run.getId(), newestNow);
                runs.put(run.getId(), run);
            }
            isLast = page.size() < PAGE_SIZE;
            // Whether there is a next page is asked last: it is fetched for that.
        } while (!isLast && !reachesSeen && !oldest.isBefore(now.minus(LOOK_BACK)) && pages.hasNext());
        newest = newestNow;
        return isLast || oldest.isBefore(now.minus(RUN_AGAIN_WITHIN));
    }

    /** Tells of all jobs of a run. */
    private void observeJobs(long runId, Found found) throws PluginException {
        boolean isOpen = false;
        int read = 0;
        int total = 0;
        Optional<URI> page = Optional.of(
                connection.address("/repos/" + id + "/actions/runs/" + runId + "/jobs?per_page=" + PAGE_SIZE));
        try {
            while (page.isPresent()) {
                RestAnswer answer = connection.asInstallation(id, "GET", page.get(), NO_BODY);
                for (JsonNode job : answer.body().path("jobs")) {
                    isOpen |= observe(job, found);
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
        if (isOpen) {
            found.openRuns().add(runId);
        }
    }

    /** Whether the job is not over. */
    private boolean observe(JsonNode job, Found found) {
        found.jobs().add(new JobId(job.path("id").asLong()));
        Optional<JobStatus> status = JobTranslator.status(job.path("status").asText());
        if (status.isPresent()) {
            try {
                JobObservation observation = JobTranslator.observation(job, status.get(), id, clock.instant(), source);
                if (observation.status() == JobStatus.COMPLETED) {
                    pending.remove(observation.job());
                } else {
                    pending.put(observation.job(), observation);
                }
                sink.accept(observation);
            } catch (IllegalArgumentException e) {
                LOG.warn("GitHub shows a job of {} that cannot be read: {}.", id, e.getMessage());
            }
        }
        return !status.equals(Optional.of(JobStatus.COMPLETED));
    }
}
