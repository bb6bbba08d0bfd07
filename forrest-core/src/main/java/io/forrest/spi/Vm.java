package io.forrest.spi;

import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;

/** A VM's process. Thread-safe. */
public interface Vm {
    /** The host's process id, where there is one process; for people and logs, never to signal it. */
    OptionalLong processId();

    /**
     * Completes once, normally, when the VM is gone for good and nothing writes to its disks any more. Completes on a
     * thread of the hypervisor: whoever listens hands over at once.
     */
    CompletionStage<VmExit> exit();

    /**
     * Ends the VM: asks the guest to power off, and ends it the hard way when {@code grace} is over; with zero grace at
     * once. Returns without waiting; the end shows in {@link #exit}, as {@link VmExit.Kind#STOPPED} unless the guest
     * had already powered off by itself. A second call can only shorten the grace.
     */
    void stop(Duration grace);
}
