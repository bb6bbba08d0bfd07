package io.forrest.domain;

/** Who sees to it that a machine has the forge's runner. */
public enum RunnerSource {
    /** The setup template alone, and its parameters. */
    TEMPLATE,
    /** Forrest: it learns the version, keeps the archive on the host and gives it to the guest. */
    AUTO
}
