package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.spi.VmExit;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A machine at one time. Immutable.
 *
 * @param since when it entered its state
 * @param reason why it is where it is, or why it waits; for people
 * @param vmStartedAt when its VM's process was started
 * @param vmExit how its VM ended, once it has; its disk and runner may still be dealt with
 * @param job the job its runner has or had
 * @param outcome how it ended, once it is {@link MachineState#STOPPED}
 */
public record MachineSnapshot(
        MachineId id,
        MachineType type,
        MachineState state,
        Instant requestedAt,
        Instant since,
        String reason,
        Optional<Instant> vmStartedAt,
        OptionalLong processId,
        Optional<VmExit> vmExit,
        Optional<JobId> job,
        Optional<MachineOutcome> outcome) {
    public MachineSnapshot {
        Objects.requireNonNull(id);
        Objects.requireNonNull(type);
        Objects.requireNonNull(state);
        Objects.requireNonNull(requestedAt);
        Objects.requireNonNull(since);
        Objects.requireNonNull(reason);
        Objects.requireNonNull(vmStartedAt);
        Objects.requireNonNull(processId);
        Objects.requireNonNull(vmExit);
        Objects.requireNonNull(job);
        Objects.requireNonNull(outcome);
    }

    /** Whether it has been started and is not gone: its disk is there, or will be. */
    public boolean holdsDisk() {
        return state != MachineState.REQUESTED && state != MachineState.STOPPED;
    }

    /** Whether its RAM is taken: from its start to the end of its VM. */
    public boolean holdsRam() {
        return holdsDisk() && vmExit.isEmpty();
    }
}
