package io.forrest.launcher.demo;

import io.forrest.images.ReflinkImageStore;
import io.forrest.launcher.HostCommand;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A directory whose files can be cloned, for as long as a demo or benchmark needs it: in the directory that was asked for
 * if its file system can, else an XFS in a file there, mounted for the time being. Gone after {@link #close}.
 */
public final class DemoStore implements AutoCloseable {
    /** Sparse: it takes what is written to it. */
    private static final long FILE_BYTES = 16L << 30;

    private static final String FILE = "store.xfs";

    /** Not on /tmp: that may be memory. */
    private static final Path DEFAULT_PARENT = Path.of("/var/tmp");

    private final Path work;
    private final Path directory;
    private final boolean mounted;
    private boolean closed;

    private DemoStore(Path work, Path directory, boolean mounted) {
        this.work = work;
        this.directory = directory;
        this.mounted = mounted;
    }

    /** Makes it, below {@code parent} if given. Throws with the ways out if that is not possible here. */
    public static DemoStore open(Optional<Path> parent) throws IOException {
        Path below = parent.orElse(DEFAULT_PARENT).toAbsolutePath();
        Files.createDirectories(below);
        Path work = Files.createTempDirectory(below, "forrest-");
        Path directory = work.resolve("store");
        Files.createDirectory(directory);
        if (new ReflinkImageStore(directory).checkHost().isEmpty()) {
            return new DemoStore(work, directory, false);
        }
        try {
            Path file = work.resolve(FILE);
            try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                sparse.setLength(FILE_BYTES);
            }
            HostCommand.run("mkfs.xfs", "-q", "-m", "reflink=1", file.toString());
            HostCommand.runAsRoot("mount", "-o", "loop", file.toString(), directory.toString());
        } catch (IOException e) {
            delete(work);
            throw new IOException(
                    below + " cannot clone files, and an XFS in a file cannot be mounted there: " + e.getMessage()
                            + ". Give a directory on Btrfs or XFS, or run this as root.",
                    e);
        }
        DemoStore store = new DemoStore(work, directory, true);
        if (!HostCommand.isRoot()) {
            HostCommand.runAsRoot("chown", System.getProperty("user.name"), directory.toString());
        }
        return store;
    }

    /** Files in here can be cloned. */
    public Path directory() {
        return directory;
    }

    /** Completes the sentence "the store is ...". */
    String description() {
        return directory + (mounted ? ", an XFS in a file" : "");
    }

    /** Removes all of it. A second call does nothing. */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        if (mounted) {
            HostCommand.runAsRoot("umount", directory.toString());
        }
        delete(work);
    }

    private static void delete(Path tree) throws IOException {
        List<Path> deepestFirst;
        try (Stream<Path> files = Files.walk(tree)) {
            deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : deepestFirst) {
            Files.delete(file);
        }
    }
}
