package io.forrest.github.embedded;

import io.forrest.domain.RepositoryId;
import java.util.List;

/** A just-in-time runner at one time. */
public record EmbeddedRunner(
        long id, String name, RepositoryId repository, List<String> labels, boolean online, boolean busy) {
    /** GitHub gives a runner every job whose labels are among its own; it ignores case. */
    boolean fits(EmbeddedJob job) {
        return job.repository().equals(repository)
                && job.labels().stream().allMatch(wanted -> labels.stream().anyMatch(wanted::equalsIgnoreCase));
    }

    EmbeddedRunner with(boolean isOnline, boolean isBusy) {
        return new EmbeddedRunner(id, name, repository, labels, isOnline, isBusy);
    }
}
