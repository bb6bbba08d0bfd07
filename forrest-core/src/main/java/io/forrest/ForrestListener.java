package io.forrest;

import io.forrest.fleet.MachineSnapshot;

/** Hears of machines. Called on one thread of Forrest's, in order; a slow listener delays only itself. */
@FunctionalInterface
public interface ForrestListener {
    /** A machine is new, has moved on, waits for another reason, or is gone. */
    void machineChanged(MachineSnapshot machine);
}
