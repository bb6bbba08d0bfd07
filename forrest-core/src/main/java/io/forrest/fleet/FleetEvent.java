package io.forrest.fleet;

import io.forrest.domain.DataSize;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.VmExit;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;

/** Something that happened outside of the fleet. */
public sealed interface FleetEvent {
    /** A source saw a job. */
    record JobObserved(JobObservation observation) implements FleetEvent {}

    /** The disk is there; from what it was cloned. */
    record DiskCreated(MachineId machine, DiskOrigin origin) implements FleetEvent {}

    /** The forge knows the runner. */
    record RunnerRegistered(MachineId machine, long runnerId) implements FleetEvent {}

    /** The VM's process runs. */
    record VmStarted(MachineId machine, Instant at, OptionalLong processId) implements FleetEvent {}

    /** The machine has come to nothing before its VM ran; nothing of it is left. */
    record LaunchFailed(MachineId machine, PluginException.Kind kind, String reason) implements FleetEvent {}

    /** The VM is gone; the machine's disk and runner are being dealt with. */
    record VmExited(MachineId machine, VmExit exit) implements FleetEvent {}

    /** All of the machine is gone. */
    record MachineGone(MachineId machine, MachineOutcome outcome) implements FleetEvent {}

    /** What became of the wish to withdraw a runner before its VM is ended, or to remove it afterwards. */
    record RunnerWithdrawn(MachineId machine, RunnerBroker.Removal removal) implements FleetEvent {}

    /** The forge could not be asked to withdraw a runner. */
    record WithdrawalFailed(MachineId machine, String reason) implements FleetEvent {}

    /** So much disk space is free. */
    record SpaceMeasured(DataSize free) implements FleetEvent {}

    /** All runners of a repository as the forge sees them. */
    record RunnersSighted(RepositoryId repository, List<RunnerSighting> runners) implements FleetEvent {
        public RunnersSighted {
            runners = List.copyOf(runners);
        }
    }
}
