package io.forrest.fleet;

import java.util.Objects;

/** How a machine's life ended, for people and listeners. */
public record MachineOutcome(Disk disk, String reason) {
    /** What became of the disk. */
    public enum Disk {
        /** It is the machine type's image now. */
        PROMOTED,
        /** It was thrown away. */
        DISCARDED,
        /** There never was one. */
        NONE
    }

    public MachineOutcome {
        Objects.requireNonNull(disk);
        Objects.requireNonNull(reason);
    }
}
