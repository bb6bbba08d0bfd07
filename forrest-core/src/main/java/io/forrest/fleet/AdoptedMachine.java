package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MachineId;
import io.forrest.spi.DiskOrigin;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A machine whose VM was started by an earlier Forrest, and which this one goes on with.
 *
 * @param type the recipe it was requested with
 * @param job the job it was last known to have, as it was last seen
 */
public record AdoptedMachine(
        MachineId id,
        MachineType type,
        Instant requestedAt,
        Instant vmStartedAt,
        OptionalLong processId,
        Optional<DiskOrigin> origin,
        Optional<JobObservation> job) {
    public AdoptedMachine {
        Objects.requireNonNull(id);
        Objects.requireNonNull(type);
        Objects.requireNonNull(requestedAt);
        Objects.requireNonNull(vmStartedAt);
        Objects.requireNonNull(processId);
        Objects.requireNonNull(origin);
        Objects.requireNonNull(job);
    }
}
