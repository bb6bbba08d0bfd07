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
 * @param createdAt when it was queued, or began to wait for approval
 * @param log what the runner sent of the script's output
 */
public record EmbeddedJob(
        JobId id,
        long runId,
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
        return new EmbeddedJob(
                id,
                runId,
                repository,
                name,
                event,
                labels,
                script,
                newStatus,
                conclusion,
                runnerId,
                runnerName,
                createdAt,
                startedAt,
                completedAt,
                log);
    }

    EmbeddedJob startedOn(EmbeddedRunner runner, Instant now) {
        return new EmbeddedJob(
                id,
                runId,
                repository,
                name,
                event,
                labels,
                script,
                "in_progress",
                conclusion,
                Optional.of(runner.id()),
                Optional.of(runner.name()),
                createdAt,
                Optional.of(now),
                completedAt,
                log);
    }

    EmbeddedJob completed(String how, Instant now) {
        return new EmbeddedJob(
                id,
                runId,
                repository,
                name,
                event,
                labels,
                script,
                "completed",
                Optional.of(how),
                runnerId,
                runnerName,
                createdAt,
                startedAt,
                Optional.of(now),
                log);
    }

    EmbeddedJob withLog(String text) {
        return new EmbeddedJob(
                id,
                runId,
                repository,
                name,
                event,
                labels,
                script,
                status,
                conclusion,
                runnerId,
                runnerName,
                createdAt,
                startedAt,
                completedAt,
                text);
    }

    boolean isOver() {
        return status.equals("completed");
    }
}
