package io.forrest.fleet;

import java.util.Objects;

/** How a machine's life ended, for people and listeners. */
public record MachineOutcome(Disk disk, String reason) {
    /** What became of the disk. */
    public enum Disk {
        /** It is the machine type's image now. */
        PROMOTED,
        /** It should have been promoted, but could not be; it is kept in the run directory. */
        RESCUED,
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
