package io.forrest.github.embedded;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Jobs and runners, and who runs what. One lock guards it all; a job is handed to whichever idle runner asks first. */
final class ActionsState {
    private static final String PULL_REQUEST = "pull_request";
    private static final Pattern SECRET = Pattern.compile("\\$\\{\\{\\s*secrets\\.([A-Za-z0-9_]+)\\s*}}");
    private static final long RUNS_BELOW_JOBS = 30_000_000_000L;

    /** A runner that is there asks for a job more often. */
    private static final Duration OFFLINE_AFTER = Duration.ofMinutes(1);

    private static final int MOST_LOG_CHARACTERS = 1 << 20;

    private final Clock clock;
    private final BiConsumer<String, EmbeddedJob> events;
    private final Set<RepositoryId> repositories = new ConcurrentSkipListSet<>();
    private final Map<String, Instant> suspendedOwners = new ConcurrentHashMap<>();

    // Guarded by this.
    private final Map<RepositoryId, Map<String, String>> secrets = new HashMap<>();
    private final Map<Long, EmbeddedJob> jobs = new TreeMap<>();
    private final Map<Long, EmbeddedRunner> runners = new TreeMap<>();
    private final Map<String, Long> runnersByToken = new HashMap<>();
    private final Map<Long, Instant> lastSeen = new HashMap<>();

    // GitHub's numbers have long outgrown 32 bits.
    private long lastJob = 50_000_000_000L;
    private long lastRunner = 5_000_000_000L;

    /** {@code events} hears of each action on a job, under the lock, so in order. */
    ActionsState(Clock clock, BiConsumer<String, EmbeddedJob> events) {
        this.clock = clock;
        this.events = events;
    }

    void addRepository(RepositoryId repository) {
        repositories.add(repository);
    }

    void removeRepository(RepositoryId repository) {
        repositories.remove(repository);
    }

    void suspend(String owner, boolean suspended) {
        if (suspended) {
            suspendedOwners.put(owner, clock.instant());
        } else {
            suspendedOwners.remove(owner);
        }
    }

    boolean isSuspended(RepositoryId repository) {
        return suspendedAt(repository).isPresent();
    }

    Optional<Instant> suspendedAt(RepositoryId repository) {
        return Optional.ofNullable(suspendedOwners.get(repository.owner()));
    }

    synchronized void addSecret(RepositoryId repository, String name, String value) {
        secrets.computeIfAbsent(repository, any -> new HashMap<>()).put(name, value);
    }

    /** The script as its runner gets it. */
    synchronized String script(EmbeddedJob job) {
        Map<String, String> known =
                job.event().equals(PULL_REQUEST) ? Map.of() : secrets.getOrDefault(job.repository(), Map.of());
        return SECRET.matcher(job.script())
                .replaceAll(found -> Matcher.quoteReplacement(known.getOrDefault(found.group(1), "")));
    }

    boolean hasRepository(RepositoryId repository) {
        return repositories.contains(repository);
    }

    List<RepositoryId> repositories() {
        return List.copyOf(repositories);
    }

    synchronized JobId queue(EmbeddedGitHub.JobRequest request) {
        long id = ++lastJob;
        EmbeddedJob job = new EmbeddedJob(
                new JobId(id),
                id - RUNS_BELOW_JOBS,
                1,
                clock.instant(),
                request.repository(),
                request.name(),
                request.event(),
                request.labels(),
                request.script(),
                request.needsApproval() ? "waiting" : "queued",
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                clock.instant(),
                Optional.empty(),
                Optional.empty(),
                "");
        put(job.status(), job);
        return job.id();
    }

    private void put(String action, EmbeddedJob job) {
        jobs.put(job.id().value(), job);
        events.accept(action, job);
        notifyAll();
    }

    synchronized void approve(JobId id) {
        EmbeddedJob job = job(id);
        if (job.status().equals("waiting")) {
            put("queued", job.withStatus("queued"));
        }
    }

    synchronized void cancel(JobId id) {
        EmbeddedJob job = job(id);
        if (!job.isOver()) {
            put("completed", job.completed("cancelled", clock.instant()));
            job.runnerId().ifPresent(this::dropRunner);
        }
    }

    /** Runs the run of a job that is over again. */
    synchronized JobId runAgain(JobId id) {
        EmbeddedJob last = latest(job(id).runId());
        if (!last.isOver()) {
            throw new IllegalArgumentException("job " + last.id() + " is not over");
        }
        EmbeddedJob again = last.again(new JobId(++lastJob), clock.instant());
        put("queued", again);
        return again.id();
    }

    private EmbeddedJob latest(long runId) {
        return jobs.values().stream()
                .filter(job -> job.runId() == runId)
                .max(Comparator.comparingInt(EmbeddedJob::attempt))
                .orElseThrow();
    }

    synchronized void deleteRun(JobId id) {
        long run = job(id).runId();
        job(id).runnerId().ifPresent(this::dropRunner);
        jobs.values().removeIf(job -> job.runId() == run);
    }

    synchronized EmbeddedJob job(JobId id) {
        return Optional.ofNullable(jobs.get(id.value()))
                .orElseThrow(() -> new IllegalArgumentException("no job " + id));
    }

    synchronized List<EmbeddedJob> jobs() {
        return new ArrayList<>(jobs.values());
    }

    synchronized List<EmbeddedRunner> runners() {
        return runners.values().stream().map(this::now).toList();
    }

    private EmbeddedRunner now(EmbeddedRunner runner) {
        boolean here = runner.busy()
                || lastSeen.getOrDefault(runner.id(), Instant.MIN)
                        .isAfter(clock.instant().minus(OFFLINE_AFTER));
        return runner.with(runner.online() && here, runner.busy());
    }

    /** Empty if the name is taken. */
    synchronized Optional<EmbeddedRunner> register(
            RepositoryId repository, String name, List<String> labels, String token) {
        if (runners.values().stream()
                .anyMatch(runner ->
                        runner.repository().equals(repository) && runner.name().equals(name))) {
            return Optional.empty();
        }
        EmbeddedRunner runner = new EmbeddedRunner(++lastRunner, name, repository, labels, false, false);
        runners.put(runner.id(), runner);
        runnersByToken.put(token, runner.id());
        return Optional.of(runner);
    }

    enum Removal {
        REMOVED,
        UNKNOWN,
        BUSY
    }

    synchronized Removal remove(RepositoryId repository, long id) {
        Optional<EmbeddedRunner> runner = Optional.ofNullable(runners.get(id))
                .filter(candidate -> candidate.repository().equals(repository));
        if (runner.isEmpty()) {
            return Removal.UNKNOWN;
        }
        if (runner.get().busy()) {
            return Removal.BUSY;
        }
        dropRunner(id);
        return Removal.REMOVED;
    }

    private void dropRunner(long id) {
        runners.remove(id);
        lastSeen.remove(id);
        runnersByToken.values().removeIf(runner -> runner == id);
        notifyAll();
    }

    /** The runner that has this token, and was just seen; empty once it is gone. */
    synchronized Optional<EmbeddedRunner> seen(String token) {
        Optional<EmbeddedRunner> runner =
                Optional.ofNullable(runnersByToken.get(token)).map(runners::get);
        runner.ifPresent(here -> lastSeen.put(here.id(), clock.instant()));
        return runner;
    }

    synchronized void online(EmbeddedRunner runner) {
        runners.computeIfPresent(runner.id(), (id, now) -> now.with(true, now.busy()));
    }

    /**
     * Waits for a job and gives it to this runner, or empty when the time is over or the runner is gone. A runner that has
     * one already did not hear of it, and gets the same again.
     */
    synchronized Optional<EmbeddedJob> awaitJob(EmbeddedRunner asking, Duration atMost) throws InterruptedException {
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (runners.containsKey(asking.id())) {
            Optional<EmbeddedJob> had = jobOf(asking);
            if (had.isPresent()) {
                return had;
            }
            Optional<EmbeddedJob> queued = jobs.values().stream()
                    .filter(job -> job.status().equals("queued") && asking.fits(job))
                    .findFirst();
            if (queued.isPresent()) {
                EmbeddedRunner busy = asking.with(true, true);
                runners.put(busy.id(), busy);
                // It was asking until now.
                lastSeen.put(busy.id(), clock.instant());
                EmbeddedJob started = queued.get().startedOn(busy, clock.instant());
                put("in_progress", started);
                return Optional.of(started);
            }
            long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
            if (leftMillis <= 0) {
                return Optional.empty();
            }
            wait(leftMillis);
        }
        return Optional.empty();
    }

    private Optional<EmbeddedJob> jobOf(EmbeddedRunner runner) {
        return jobs.values().stream()
                .filter(job -> !job.isOver() && job.runnerId().equals(Optional.of(runner.id())))
                .findFirst();
    }

    synchronized void log(EmbeddedRunner runner, String text) {
        jobOf(runner)
                .filter(job -> job.log().length() + text.length() <= MOST_LOG_CHARACTERS)
                .ifPresent(job -> jobs.put(job.id().value(), job.withLog(job.log() + text)));
    }

    /** The job is over, and with it the just-in-time runner. */
    synchronized void result(EmbeddedRunner runner, String conclusion) {
        jobOf(runner).ifPresent(job -> put("completed", job.completed(conclusion, clock.instant())));
        dropRunner(runner.id());
    }

    /**
     * Fails the jobs of runners that were not heard of for so long. Such a runner stays, offline and idle, until somebody
     * removes it; should it come back, it is told that it is gone.
     */
    synchronized void loseSilent(Duration silence) {
        Instant silentSince = clock.instant().minus(silence);
        List<EmbeddedRunner> lost = runners.values().stream()
                .filter(EmbeddedRunner::busy)
                .filter(runner ->
                        !lastSeen.getOrDefault(runner.id(), Instant.MIN).isAfter(silentSince))
                .toList();
        for (EmbeddedRunner runner : lost) {
            jobOf(runner).ifPresent(job -> put("completed", job.completed("failure", clock.instant())));
            runners.put(runner.id(), runner.with(false, false));
            runnersByToken.values().removeIf(id -> id == runner.id());
        }
    }
}
