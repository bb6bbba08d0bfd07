package io.forrest.spi;

import java.util.Optional;

/**
 * Keeps the forge's runner on this host, for machine types with {@code runner: auto}: once for all of them. Thread-safe.
 */
public interface RunnerArchives extends AutoCloseable {
    /**
     * Begins to keep it up to date, on a thread of its own, and returns at once. Called once, by the only Forrest in the
     * base directory. Never throws for a forge that cannot be reached.
     */
    void start();

    /**
     * The newest there is for a machine that is about to start. With one on this host it answers at once, whatever the forge
     * does. Without, it waits for one that is on its way, but for a minute at most. Empty if nothing is known of any; a start
     * must not fail for that, so it never throws. An interrupt ends the waiting, and stays set.
     *
     * <p>A file that was given once stays as it is while it is the newest or the one before.
     */
    Optional<RunnerArchive> newest();

    /** Lets go of whoever waits, and looks for no news any more. A second call does nothing. */
    @Override
    void close();
}
