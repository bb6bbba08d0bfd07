package io.forrest.github;

import io.forrest.spi.PluginException;

/** GitHub answered, and not with a success. */
final class GitHubRefusal extends PluginException {
    private final int status;

    GitHubRefusal(Kind kind, int status, String message) {
        super(kind, message);
        this.status = status;
    }

    /** The HTTP status. */
    int status() {
        return status;
    }
}
