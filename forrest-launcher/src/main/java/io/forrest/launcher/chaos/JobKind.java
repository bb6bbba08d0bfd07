package io.forrest.launcher.chaos;

/** What a job does with its disk, and how it ends. */
enum JobKind {
    /** Does not ask that its disk is kept. */
    PLAIN("push"),
    /** Asks with the right token. */
    PERSISTS("push"),
    /** Asks with another token. */
    WRONG("push"),
    /** Asks with the secret, which GitHub does not give to pull requests. */
    PULL("pull_request"),
    /** Ends with an error; had not asked. */
    FAILS("push"),
    /** Is cancelled, queued or running; had not asked. */
    CANCELLED("push");

    private final String event;

    JobKind(String event) {
        this.event = event;
    }

    /** What sets its workflow off. */
    String event() {
        return event;
    }
}
