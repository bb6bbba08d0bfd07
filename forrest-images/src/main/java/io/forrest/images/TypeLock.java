package io.forrest.images;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Keeps everyone else from changing the images of one machine type: the other threads of this process and other processes,
 * as the command line works beside the daemon. It is gone with its holder, however that ends. Not reentrant.
 */
final class TypeLock {
    /** The kernel's lock is the process's: all stores of this one share these. */
    private static final Map<Path, ReentrantLock> IN_PROCESS = new ConcurrentHashMap<>();

    private TypeLock() {}

    /** What is done under the lock. */
    @FunctionalInterface
    interface Work<T, E extends Exception> {
        T run() throws IOException, E;
    }

    /**
     * Waits for the lock and does it.
     *
     * @param file in a directory that exists; it is made, and stays
     */
    static <T, E extends Exception> T holding(Path file, Work<T, E> work) throws IOException, E {
        Path real = file.getParent().toRealPath().resolve(file.getFileName());
        ReentrantLock inProcess = IN_PROCESS.computeIfAbsent(real, any -> new ReentrantLock());
        inProcess.lock();
        try (FileChannel channel = FileChannel.open(real, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.lock();
            return work.run();
        } finally {
            inProcess.unlock();
        }
    }
}
