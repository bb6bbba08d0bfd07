package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;

/**
 * One attempt to deliver a webhook.
 *
 * @param id counts up
 * @param status what came of it in words, e.g. {@code OK}
 * @param statusCode of the answer; GitHub has a gateway's codes for those that had none
 * @param summary action, job and outcome, for people
 */
record WebhookDelivery(
        long id,
        Webhook webhook,
        boolean isRedelivery,
        Instant at,
        Duration took,
        String status,
        int statusCode,
        String summary) {
    /**
     * Something to be told.
     *
     * @param guid the same however often it is delivered
     * @param event a {@code workflow_job}
     */
    record Webhook(UUID guid, ObjectNode event) {
        /** What happened to which job. */
        String summary() {
            return event.path("action").asText() + " "
                    + event.path("workflow_job").path("id").asText();
        }
    }

    /** Success or failure, as GitHub divides them. */
    boolean isGood() {
        return statusCode >= 200 && statusCode < 400;
    }
}
