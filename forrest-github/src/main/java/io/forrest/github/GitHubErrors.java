package io.forrest.github;

import io.forrest.spi.PluginException;

/** What GitHub's refusals mean to the caller. */
final class GitHubErrors {
    private GitHubErrors() {}

    static void throwUnlessGood(String request, GitHubConnection.Answer answer) throws PluginException {
        int status = answer.status();
        if (status >= 200 && status < 300) {
            return;
        }
        String message = answer.body().path("message").asText("");
        String line = "GitHub answers " + status + " to " + request + (message.isEmpty() ? "" : ": " + message) + ".";
        boolean later = status == 401 || status == 408 || status == 429 || status >= 500 || limited(status, message);
        throw new GitHubRefusal(
                later ? PluginException.Kind.RETRY_LATER : PluginException.Kind.REJECTED,
                status,
                line + remedy(status));
    }

    private static String remedy(int status) {
        return switch (status) {
            case 401 -> " Check github.app_id and github.jwt_key_file, and this host's clock.";
            case 403 -> " The App needs the permissions Administration (write) and Actions (read).";
            case 404 -> " Install the App in this repository, with Administration (write) and Actions (read).";
            default -> "";
        };
    }

    /** GitHub's documentation on rate limits: exceeding one is answered with 403 or 429 and says so in words. */
    private static boolean limited(int status, String message) {
        return status == 403 && (message.contains("rate limit") || message.contains("abuse"));
    }
}
