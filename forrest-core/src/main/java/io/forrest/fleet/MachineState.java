package io.forrest.fleet;

import java.util.EnumSet;
import java.util.Set;

/** The stations of a machine's one life. */
public enum MachineState {
    /** Wanted, and waiting for its turn: for RAM, for disk space, for its base, for a back-off to end. */
    REQUESTED,
    /** Has its RAM and its disk space; its disk is made and its runner registered at the forge. */
    REGISTERING,
    /** The forge knows its runner; the guest's volumes are written. */
    REGISTERED,
    /** Its VM runs, the runner in it is not online yet. */
    STARTING,
    /** Its runner is online and idle. */
    WAITING,
    /** Its runner has a job. */
    RUNNING,
    /** Its job is over, or it is being ended: VM, runner and disk are on their way out. */
    STOPPING,
    /** Gone. */
    STOPPED;

    /** The states that can follow. A runner may be seen at work before it was seen idle. */
    public Set<MachineState> next() {
        return switch (this) {
            case REQUESTED -> EnumSet.of(REGISTERING, STOPPED);
            case REGISTERING -> EnumSet.of(REGISTERED, STOPPING, STOPPED);
            case REGISTERED -> EnumSet.of(STARTING, STOPPING, STOPPED);
            case STARTING -> EnumSet.of(WAITING, RUNNING, STOPPING);
            case WAITING -> EnumSet.of(RUNNING, STOPPING);
            case RUNNING -> EnumSet.of(STOPPING);
            case STOPPING -> EnumSet.of(STOPPED);
            case STOPPED -> EnumSet.noneOf(MachineState.class);
        };
    }

    /** Whether it may still take a job that is queued now. */
    public boolean isAvailable() {
        return compareTo(RUNNING) < 0;
    }
}
