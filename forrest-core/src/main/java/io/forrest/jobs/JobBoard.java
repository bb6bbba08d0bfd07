package io.forrest.jobs;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Every job that was heard of lately, each at the furthest point it was seen at.
 *
 * <p>Observing is idempotent and indifferent to order: a webhook that is repeated, or overtaken by a later one, changes
 * nothing. Jobs that are over stay for a while, so that a late {@code queued} cannot bring them back.
 *
 * <p>Not thread-safe: belongs to the fleet thread.
 */
public final class JobBoard {
    /** GitHub itself gives up on a job that was queued for a day. */
    static final Duration LONGEST_QUEUE = Duration.ofHours(24);

    /** Longer than any delivery is repeated, and longer than the poller looks back. */
    static final Duration REMEMBER_COMPLETED = Duration.ofHours(26);

    /** A self-hosted runner's job lasts 5 days at most; then GitHub ends it, whether or not anybody hears of that. */
    static final Duration LONGEST_JOB = Duration.ofDays(5).plusHours(1);

    /** A run that waits for somebody's approval is ended by GitHub after 30 days. */
    static final Duration LONGEST_WAIT = Duration.ofDays(30).plusHours(1);

    private static final int MOST_JOBS = 100_000;

    private final Map<JobId, JobObservation> jobs = new HashMap<>();

    /** Takes an observation; returns whether it was news. */
    public boolean observe(JobObservation seen) {
        JobObservation known = jobs.get(seen.job());
        if (known != null && !isNews(known, seen)) {
            return false;
        }
        if (known == null && jobs.size() >= MOST_JOBS) {
            forgetOldest();
        }
        jobs.put(seen.job(), seen);
        return true;
    }

    private static boolean isNews(JobObservation known, JobObservation seen) {
        int step = seen.status().compareTo(known.status());
        return step > 0
                || (step == 0
                        && known.runnerName().isEmpty()
                        && seen.runnerName().isPresent());
    }

    /** Jobs that want a runner, in the order in which they were first seen. */
    public List<JobObservation> queued() {
        List<JobObservation> queued = new ArrayList<>();
        for (JobObservation job : jobs.values()) {
            if (job.status() == JobStatus.QUEUED) {
                queued.add(job);
            }
        }
        queued.sort(Comparator.comparing(JobObservation::observedAt)
                .thenComparingLong(job -> job.job().value()));
        return queued;
    }

    /** All jobs, in no order. */
    public Collection<JobObservation> all() {
        return List.copyOf(jobs.values());
    }

    /**
     * Drops what nobody can be waiting for any more. A job whose end nobody heard of goes when GitHub itself would have ended
     * it.
     */
    public void forgetOld(Instant now) {
        jobs.values().removeIf(job -> Duration.between(job.observedAt(), now).compareTo(longest(job.status())) > 0);
    }

    private static Duration longest(JobStatus status) {
        return switch (status) {
            case WAITING -> LONGEST_WAIT;
            case QUEUED -> LONGEST_QUEUE;
            case IN_PROGRESS -> LONGEST_JOB;
            case COMPLETED -> REMEMBER_COMPLETED;
        };
    }

    private void forgetOldest() {
        jobs.values().stream()
                .min(Comparator.comparing((JobObservation job) -> job.status() != JobStatus.COMPLETED)
                        .thenComparing(JobObservation::observedAt))
                .ifPresent(oldest -> jobs.remove(oldest.job()));
    }
}
