package io.forrest.launcher;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Closes what a command has opened, the last first; also when the process is told to end in the middle of it. Thread-safe.
 */
public final class CleanUp implements AutoCloseable {
    private volatile boolean ending;

    // Guarded by this.
    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private boolean closed;

    public CleanUp() {
        Runtime.getRuntime().addShutdownHook(new Thread(this::endAndClose, "forrest-clean-up"));
    }

    /** Takes care of it. Throws {@link IllegalStateException}, with the resource closed, if it is too late. */
    public synchronized <T extends AutoCloseable> T add(T resource) {
        open.push(resource);
        if (closed) {
            closeAll();
            throw new IllegalStateException("this process is ending");
        }
        return resource;
    }

    /** Whether the process was told to end. */
    public boolean isEnding() {
        return ending;
    }

    private void endAndClose() {
        ending = true;
        HostCommand.endAll();
        close();
    }

    /** A second call does nothing. */
    @Override
    public synchronized void close() {
        closed = true;
        closeAll();
    }

    private void closeAll() {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                // Whatever comes next is to be cleaned up, too.
                System.err.println("Not all could be cleaned up: " + e.getMessage());
            }
        }
    }
}
