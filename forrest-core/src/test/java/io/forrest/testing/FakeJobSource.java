package io.forrest.testing;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** Tells of jobs what it is told to tell, on the thread that tells it. Thread-safe. */
public final class FakeJobSource implements JobSource {
    private final Clock clock;
    private final AtomicInteger refreshes = new AtomicInteger();

    // Guarded by this; so the sink is told under the lock, and close waits for it.
    private final Map<JobId, JobObservation> jobs = new HashMap<>();
    private Optional<JobSink> sink = Optional.empty();
    private Runnable onStart = () -> {};
    private Runnable onRefresh = () -> {};
    private boolean closed;
    private long lastJob = 1000;

    public FakeJobSource(Clock clock) {
        this.clock = clock;
    }

    /** One that knows the same jobs, as the next Forrest has it. */
    public synchronized FakeJobSource ofNextProcess() {
        FakeJobSource next = new FakeJobSource(clock);
        next.jobs.putAll(jobs);
        next.lastJob = lastJob;
        return next;
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public synchronized void start(JobSink newSink) {
        onStart.run();
        if (!closed) {
            sink = Optional.of(newSink);
        }
    }

    @Override
    public void refresh() {
        refreshes.incrementAndGet();
        Runnable hook;
        synchronized (this) {
            hook = onRefresh;
        }
        hook.run();
    }

    @Override
    public synchronized void close() {
        closed = true;
        sink = Optional.empty();
    }

    public synchronized boolean isClosed() {
        return closed;
    }

    /** How often somebody had it look again. */
    public int refreshes() {
        return refreshes.get();
    }

    /** Runs at the beginning of {@link #start}; it may throw, as a plugin with a bug does. */
    public synchronized void onStart(Runnable hook) {
        onStart = hook;
    }

    /** Runs in each {@link #refresh}; it may throw, as a plugin with a bug does. */
    public synchronized void onRefresh(Runnable hook) {
        onRefresh = hook;
    }

    /** A job for a machine of this type is queued. */
    public JobId queue(MachineTypeId type) {
        return queue(type.repository(), JobLabels.of(type.type()));
    }

    /** A job with these labels is queued. */
    public synchronized JobId queue(RepositoryId repository, List<String> labels) {
        JobId job = new JobId(++lastJob);
        tell(new JobObservation(
                job,
                lastJob,
                repository,
                labels,
                JobStatus.QUEUED,
                Optional.empty(),
                Optional.of("0123456789abcdef0123456789abcdef01234567"),
                clock.instant(),
                name()));
        return job;
    }

    /** A runner has taken a job of this source's. */
    public void start(JobId job, String runnerName) {
        move(job, JobStatus.IN_PROGRESS, Optional.of(runnerName));
    }

    /** A job of this source's is over; it names the runner that had it, if any did. */
    public void complete(JobId job) {
        move(job, JobStatus.COMPLETED, Optional.empty());
    }

    private synchronized void move(JobId id, JobStatus status, Optional<String> runnerName) {
        JobObservation job = Optional.ofNullable(jobs.get(id))
                .orElseThrow(() -> new IllegalArgumentException("no job " + id + " was queued here"));
        tell(new JobObservation(
                id,
                job.workflowRunId(),
                job.repository(),
                job.labels(),
                status,
                runnerName.or(job::runnerName),
                job.commit(),
                clock.instant(),
                name()));
    }

    /** Tells of any job whatever it likes. Nobody hears it before the start and after the end. */
    public synchronized void tell(JobObservation observation) {
        jobs.put(observation.job(), observation);
        sink.ifPresent(listening -> listening.observe(observation));
    }
}
