package io.forrest.fleet;

import io.forrest.domain.DataSize;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * What machines have of the host at one time. Immutable.
 *
 * @param claimedRam what VMs hold, or will hold, of {@code host.ram}
 * @param claimedDisk the free disk space that is reserved for machines
 * @param freeDisk the disk space that was free when it was last measured, whether reserved or not; empty before that
 * @param machines all that are not gone, oldest first; those that wait to be started claim nothing
 */
public record FleetBooks(
        DataSize claimedRam, DataSize claimedDisk, Optional<DataSize> freeDisk, List<MachineSnapshot> machines) {
    public FleetBooks {
        Objects.requireNonNull(claimedRam);
        Objects.requireNonNull(claimedDisk);
        Objects.requireNonNull(freeDisk);
        machines = List.copyOf(machines);
    }
}
