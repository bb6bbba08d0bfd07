package io.forrest.domain;

/**
 * How far a workflow job has come, in the order in which it goes. A fact that would move a job backwards is old news:
 * webhooks are repeated and overtake each other.
 */
public enum JobStatus {
    /** Not to be run yet: a deployment's approval, a concurrency group or {@code requested}/{@code pending}. */
    WAITING,
    /** Wants a runner. */
    QUEUED,
    /** On a runner. */
    IN_PROGRESS,
    /** Over, whatever the result. */
    COMPLETED
}
