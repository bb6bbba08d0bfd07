package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.DiskOrigin;
import java.util.Set;

/**
 * Does for the fleet whatever blocks. Every method returns at once; results come back as {@link FleetEvent}s. Called on
 * the fleet thread.
 */
public interface FleetHands {
    /**
     * Makes the disk, registers the runner, starts the VM, and when that is gone promotes or removes the disk and
     * removes the runner. Tells {@code DiskCreated}, {@code RunnerRegistered}, {@code VmStarted}, {@code VmExited},
     * {@code MachineGone}; or {@code LaunchFailed} in place of whatever it did not get to.
     */
    void launch(MachineId machine, MachineType type);

    /** Ends a machine at once, wherever it stands. Its launch tells the rest. */
    void end(MachineId machine, String reason);

    /** Takes the runner from the forge, unless it is at work. Tells {@code RunnerWithdrawn} or {@code WithdrawalFailed}. */
    void withdrawRunner(MachineId machine);

    /** Sets the type's machine image aside, if it is still the one of {@code origin}. */
    void quarantine(MachineTypeId type, DiskOrigin origin);

    /** Looks at the runners of these repositories. Tells {@code RunnersSighted} for each that answers. */
    void sightRunners(Set<RepositoryId> repositories);

    /** Removes a runner that belongs to nobody. */
    void removeOrphan(RepositoryId repository, long runnerId, String name);

    /** Has the job sources look again soon. */
    void refreshJobs();
}
