package io.forrest.spi;

import io.forrest.domain.JobObservation;
import io.forrest.domain.MachineId;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * Where a disk that becomes a machine image comes from: for people who read the image's history, and to know a promotion
 * that is tried again after a crash.
 *
 * @param machine whose disk it was; a machine has one disk, so it also names the promotion
 * @param job the job that asked for it, as it was last seen; empty if no source told of it
 * @param origin what the disk was cloned from; empty if that is not known any more
 * @param endedAt when the guest had shut down
 */
public record Provenance(
        MachineId machine, Optional<JobObservation> job, Optional<DiskOrigin> origin, Instant endedAt) {
    public Provenance {
        Objects.requireNonNull(machine);
        Objects.requireNonNull(job);
        Objects.requireNonNull(origin);
        Objects.requireNonNull(endedAt);
    }
}
