package io.forrest.github.embedded;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A job at one time.
 *
 * @param event what set the workflow off, e.g. {@code push}
 * @param script what the runner runs, a POSIX shell script
 * @param status {@code waiting}, {@code queued}, {@code in_progress} or "completed"
 * @param conclusion {@code success}, {@code failure} or {@code cancelled}, once it is over
 * @param attempt of its run, counted from 1
 * @param runCreatedAt when its run was made, whichever attempt this is
 * @param createdAt when it was queued, or began to wait for approval
 * @param log what the runner sent of the script's output
 */
public record EmbeddedJob(
        JobId id,
        long runId,
        int attempt,
        Instant runCreatedAt,
        RepositoryId repository,
        String name,
        String event,
        List<String> labels,
        String script,
        String status,
        Optional<String> conclusion,
        Optional<Long> runnerId,
        Optional<String> runnerName,
        Instant createdAt,
        Optional<Instant> startedAt,
        Optional<Instant> completedAt,
        String log) {
    EmbeddedJob withStatus(String newStatus) {
        return with(newStatus, conclusion, runnerId, runnerName, startedAt, completedAt, log);
    }

    EmbeddedJob startedOn(EmbeddedRunner runner, Instant now) {
        return with(
                "in_progress",
                conclusion,
                Optional.of(runner.id()),
                Optional.of(runner.name()),
                Optional.of(now),
                completedAt,
                log);
    }

    EmbeddedJob completed(String how, Instant now) {
        return with("completed", Optional.of(how), runnerId, runnerName, startedAt, Optional.of(now), log);
    }

    /** The same job in the next attempt of its run, which needs no approval again. */
    EmbeddedJob again(JobId newId, Instant now) {
        return new EmbeddedJob(
                newId,
                runId,
                attempt + 1,
                runCreatedAt,
                repository,
                name,
                event,
                labels,
                script,
                "queued",
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                now,
                Optional.empty(),
                Optional.empty(),
                "");
    }

    EmbeddedJob withLog(String text) {
        return with(status, conclusion, runnerId, runnerName, startedAt, completedAt, text);
    }

    /** What changes in a job's life; the rest stays as it was queued. */
    private EmbeddedJob with(
            String newStatus,
            Optional<String> newConclusion,
            Optional<Long> newRunnerId,
            Optional<String> newRunnerName,
            Optional<Instant> newStartedAt,
            Optional<Instant> newCompletedAt,
            String newLog) {
        return new EmbeddedJob(
                id,
                runId,
                attempt,
                runCreatedAt,
                repository,
                name,
                event,
                labels,
                script,
                newStatus,
                newConclusion,
                newRunnerId,
                newRunnerName,
                createdAt,
                newStartedAt,
                newCompletedAt,
                newLog);
    }

    boolean isOver() {
        return status.equals("completed");
    }
}
