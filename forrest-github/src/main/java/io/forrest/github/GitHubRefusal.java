package io.forrest.github;

import io.forrest.spi.PluginException;

/** GitHub answered, and not with a success. */
final class GitHubRefusal extends PluginException {
    private final int status;

    GitHubRefusal(Kind kind, int status, String message) {
        super(kind, message);
        this.status = status;
    }

    /** Whether somebody suspended the App's installation. */
    boolean isSuspension() {
        return status == 403 && getMessage().contains("suspended");
    }

    /** The HTTP status. */
    int status() {
        return status;
    }
}
