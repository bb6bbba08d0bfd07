package io.forrest.github;

import io.forrest.spi.PluginException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** What GitHub's refusals mean to the caller. */
final class GitHubErrors {
    private GitHubErrors() {}

    static void throwUnlessGood(String request, RestAnswer answer, Instant now) throws PluginException {
        if (answer.isGood()) {
            return;
        }
        int status = answer.status();
        Optional<Duration> pause = answer.pause().pause(now);
        String said = answer.message().isEmpty() ? "" : ": " + withoutFullStop(answer.message());
        boolean later = status == 401 || status == 408 || status == 429 || status >= 500 || pause.isPresent();
        throw new GitHubRefusal(
                later ? PluginException.Kind.RETRY_LATER : PluginException.Kind.REJECTED,
                status,
                "GitHub answers " + status + " to " + request + said + "."
                        + pause.map(wait -> " Nothing is asked for " + wait.toSeconds() + " s.")
                                .orElseGet(() -> remedy(status, answer.message())));
    }

    private static String withoutFullStop(String message) {
        return message.endsWith(".") ? message.substring(0, message.length() - 1) : message;
    }

    private static String remedy(int status, String message) {
        if (message.contains("suspended")) {
            return " Unsuspend the App's installation in the settings of its owner.";
        }
        return switch (status) {
            case 301, 307, 308 -> " The repository was renamed: use its new name in the configuration.";
            case 401 -> " Check github.app_id and github.jwt_key_file, and this host's clock.";
            case 403 -> " The App needs the permissions Administration (write) and Actions (read).";
            case 404 -> " Install the App in this repository, with Administration (write) and Actions (read).";
            default -> "";
        };
    }
}
