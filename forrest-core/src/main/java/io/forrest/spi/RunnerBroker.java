package io.forrest.spi;

import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import java.util.List;

/** Registers and removes runners at the forge. Calls block on the network, with a bounded time each. Thread-safe. */
public interface RunnerBroker {
    /**
     * Registers a runner that takes one job of the machine's repository with the labels
     * {@code self-hosted, forrest, <type>} and is then gone.
     *
     * @throws PluginException {@code RETRY_LATER} on outage or limits, {@code REJECTED} if the forge refuses: not
     *     installed, no permission, the name taken. After a failure there may be a runner of that name: the caller tries
     *     {@link #remove} or leaves it to the sweep
     */
    RunnerRegistration register(MachineId machine) throws PluginException;

    /** Removes a runner, unless it is at work. A runner that is already gone is no error. */
    Removal remove(RepositoryId repository, long runnerId) throws PluginException;

    /** All runners of a repository, those of others included. */
    List<RunnerSighting> list(RepositoryId repository) throws PluginException;

    /** What became of a wish to remove a runner. */
    enum Removal {
        REMOVED,
        ALREADY_GONE,
        /** It has a job; it was not removed. */
        BUSY
    }
}
