package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Reads jobs as GitHub writes them, the same in webhooks and in answers. Read as a tree: the client library keeps a
 * runner's number in 32 bits, and refuses the whole answer for a single one that is larger.
 */
final class JobTranslator {
    /** As many as GitHub lets a runner have. */
    private static final int MOST_LABELS = 100;

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    private JobTranslator() {}

    /** Empty for a word that is not known, as GitHub may add more. */
    static Optional<JobStatus> status(String word) {
        return switch (word.toLowerCase(Locale.ROOT)) {
            case "waiting", "requested", "pending" -> Optional.of(JobStatus.WAITING);
            case "queued" -> Optional.of(JobStatus.QUEUED);
            case "in_progress" -> Optional.of(JobStatus.IN_PROGRESS);
            case "completed" -> Optional.of(JobStatus.COMPLETED);
            default -> Optional.empty();
        };
    }

    /** Throws {@link IllegalArgumentException} that says what is missing in {@code job}. */
    static JobObservation observation(
            JsonNode job, JobStatus status, RepositoryId repository, Instant observedAt, String source) {
        return new JobObservation(
                new JobId(number(job, "id")),
                number(job, "run_id"),
                repository,
                labels(job.path("labels")),
                status,
                Optional.ofNullable(job.path("runner_name").textValue()).filter(name -> !name.isEmpty()),
                Optional.ofNullable(job.path("head_sha").textValue()).filter(JobTranslator::isCommit),
                observedAt,
                source);
    }

    /** It is shown to people and stands in files, so nothing else may come in its place. */
    private static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    private static List<String> labels(JsonNode array) {
        if (!array.isArray() || array.size() > MOST_LABELS) {
            throw new IllegalArgumentException("it has no list of at most " + MOST_LABELS + " \"labels\"");
        }
        List<String> labels = new ArrayList<>();
        for (JsonNode label : array) {
            if (!label.isTextual()) {
                throw new IllegalArgumentException("a label is no text");
            }
            labels.add(label.textValue());
        }
        return labels;
    }

    static String text(JsonNode object, String field) {
        String text = object.path(field).textValue();
        if (text == null) {
            throw new IllegalArgumentException("it has no text \"" + field + "\"");
        }
        return text;
    }

    private static long number(JsonNode object, String field) {
        JsonNode number = object.path(field);
        if (!number.isIntegralNumber() || !number.canConvertToLong()) {
            throw new IllegalArgumentException("it has no whole number \"" + field + "\"");
        }
        return number.longValue();
    }
}
