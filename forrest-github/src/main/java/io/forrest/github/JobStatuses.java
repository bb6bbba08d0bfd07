package io.forrest.github;

import io.forrest.domain.JobStatus;
import java.util.Locale;
import java.util.Optional;

/** GitHub's words for how far a job has come. */
final class JobStatuses {
    private JobStatuses() {}

    /** Empty for a word that is not known, as GitHub may add more. */
    static Optional<JobStatus> of(String word) {
        return switch (word.toLowerCase(Locale.ROOT)) {
            case "waiting", "requested", "pending" -> Optional.of(JobStatus.WAITING);
            case "queued" -> Optional.of(JobStatus.QUEUED);
            case "in_progress" -> Optional.of(JobStatus.IN_PROGRESS);
            case "completed" -> Optional.of(JobStatus.COMPLETED);
            default -> Optional.empty();
        };
    }
}
