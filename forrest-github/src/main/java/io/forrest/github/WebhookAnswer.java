package io.forrest.github;

/**
 * What GitHub is told about its webhook.
 *
 * @param status the HTTP status
 * @param line one line for the operator, who finds it among the App's deliveries; without secrets
 */
public record WebhookAnswer(int status, String line) {}
