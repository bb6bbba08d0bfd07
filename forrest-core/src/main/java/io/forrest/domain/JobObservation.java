package io.forrest.domain;

import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * What some source saw of a job at some time. Webhook, poller and other sources meet in this type.
 *
 * @param labels the job's {@code runs-on}, in the order given
 * @param runnerName the runner that has it, once it is in progress; empty before
 * @param commit the commit it runs for, where the source knows; for people
 * @param observedAt when Forrest learned of it
 * @param source who saw it, for logs: {@code webhook}, {@code poll}
 */
public record JobObservation(
        JobId job,
        long workflowRunId,
        RepositoryId repository,
        List<String> labels,
        JobStatus status,
        Optional<String> runnerName,
        Optional<String> commit,
        Instant observedAt,
        String source) {
    public JobObservation {
        Objects.requireNonNull(job);
        Objects.requireNonNull(repository);
        Objects.requireNonNull(status);
        Objects.requireNonNull(runnerName);
        Objects.requireNonNull(commit);
        Objects.requireNonNull(observedAt);
        Objects.requireNonNull(source);
        labels = List.copyOf(labels);
    }
}
