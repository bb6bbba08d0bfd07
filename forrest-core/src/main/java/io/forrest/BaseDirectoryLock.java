package io.forrest;

import io.forrest.domain.HostProblem;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps a base directory for one Forrest: two would each take the other's machines for left-overs. Goes with the process
 * at the latest.
 */
final class BaseDirectoryLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BaseDirectoryLock.class);

    /**
     * What this process has locked. A lock belongs to the process, and closing <em>any</em> of its channels to the file
     * gives it up: so whoever would be refused must not even open it.
     */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path directory;
    private final FileChannel channel;

    private BaseDirectoryLock(Path directory, FileChannel channel) {
        this.directory = directory;
        this.channel = channel;
    }

    /** Makes the directory if need be, and takes it. Throws if another Forrest has it, or it cannot be written. */
    static BaseDirectoryLock take(Path baseDirectory) throws HostCheckException {
        Path file = baseDirectory.resolve("forrest.lock");
        try {
            Path directory = Files.createDirectories(baseDirectory).toRealPath();
            if (!HELD.add(directory)) {
                throw lockedOut(file);
            }
            try {
                return new BaseDirectoryLock(directory, lock(file));
            } catch (HostCheckException | IOException e) {
                HELD.remove(directory);
                throw e;
            }
        } catch (IOException e) {
            throw new HostCheckException(List.of(new HostProblem(
                    baseDirectory.toString(),
                    "cannot be written: " + e + ".",
                    "Create it, give it to the user Forrest runs as, or change host.base_dir.")));
        }
    }

    private static FileChannel lock(Path file) throws IOException, HostCheckException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock != null) {
                return channel;
            }
        } catch (OverlappingFileLockException e) {
            LOG.debug("Somebody else in this process has locked {}.", file, e);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
        channel.close();
        throw lockedOut(file);
    }

    private static HostCheckException lockedOut(Path file) {
        return new HostCheckException(List.of(new HostProblem(
                file.toString(),
                "is locked: another Forrest works in this base_dir.",
                "Stop it, or give this one a base_dir of its own.")));
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("The lock goes with the process at the latest.", e);
        } finally {
            HELD.remove(directory);
        }
    }
}
