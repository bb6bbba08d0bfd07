package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MachineId;
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
     * {@code MachineGone}, or {@code LaunchFailed} in place of whatever it did not get to; at last {@code RunnerWithdrawn},
     * or {@code WithdrawalFailed} if the forge does not answer.
     */
    void launch(MachineId machine, MachineType type);

    /** Ends a machine at once, wherever it stands. Its launch tells the rest. */
    void end(MachineId machine, String reason);

    /** Takes the runner from the forge, unless it is at work. Tells {@code RunnerWithdrawn} or {@code WithdrawalFailed}. */
    void withdrawRunner(MachineId machine);

    /** Writes down which job the machine has, and how far that is. */
    void noteJob(MachineId machine, JobObservation job);

    /** Notes that a machine came up from it, see {@link io.forrest.spi.ImageStore#cameUp}. */
    void imageCameUp(DiskOrigin origin);

    /** Sets a machine image aside, see {@link io.forrest.spi.ImageStore#setAside}, and tells people. */
    void setImageAside(DiskOrigin origin, String reason);

    /** Takes that back, see {@link io.forrest.spi.ImageStore#reinstate}, and tells people. */
    void reinstateImage(DiskOrigin origin, String reason);

    /** Looks how much disk space is free. Tells {@code SpaceMeasured}. */
    void measureSpace();

    /** Looks at the runners of these repositories. Tells {@code RunnersSighted} for each that answers. */
    void sightRunners(Set<RepositoryId> repositories);

    /** Removes a runner that belongs to nobody. */
    void removeOrphan(RepositoryId repository, long runnerId, String name);

    /** Has the job sources look again soon. */
    void refreshJobs();
}
