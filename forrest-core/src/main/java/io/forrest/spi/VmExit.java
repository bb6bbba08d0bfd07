package io.forrest.spi;

import java.util.Objects;

/**
 * How a VM ended.
 *
 * @param reason for people: e.g. {@code guest-shutdown}, or the last words of the hypervisor
 */
public record VmExit(Kind kind, String reason) {
    /** The only thing decisions are made on. */
    public enum Kind {
        /** The guest shut itself down in order, so its disks are whole: the only end after which a disk may persist. */
        CLEAN,
        /** Forrest, or somebody on the host, ended it. */
        STOPPED,
        /** It crashed, was killed, or never ran. */
        FAILED
    }

    public VmExit {
        Objects.requireNonNull(kind);
        Objects.requireNonNull(reason);
    }
}
