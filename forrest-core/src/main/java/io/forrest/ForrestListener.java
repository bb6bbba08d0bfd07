package io.forrest;

import io.forrest.fleet.MachineSnapshot;

/**
 * Hears of machines. Called in order, on one thread of Forrest's that is this listener's alone: a slow one delays only
 * itself.
 */
@FunctionalInterface
public interface ForrestListener {
    /** A machine is new, has moved on, waits for another reason, or is gone. */
    void machineChanged(MachineSnapshot machine);
}
