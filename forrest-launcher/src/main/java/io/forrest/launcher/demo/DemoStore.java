package io.forrest.launcher.demo;

import io.forrest.images.ReflinkImageStore;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.HostCommand;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.HexFormat;
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

    private static final String DEVICE = "unix:dev";

    /** Not on /tmp: that may be memory. */
    private static final Path DEFAULT_PARENT = Path.of("/var/tmp");

    private final Path work;
    private final Path directory;

    // Guarded by this.
    private boolean closed;
    private boolean kept;

    private DemoStore(Path work) {
        this.work = work;
        this.directory = work.resolve("store");
    }

    /**
     * Makes it, below {@code parent} if given, and leaves it to {@code cleanUp} to close it. Throws with the ways out if that
     * is not possible here.
     */
    public static DemoStore open(Optional<Path> parent, CleanUp cleanUp) throws IOException {
        DemoStore store = below(parent, cleanUp);
        store.make();
        return store;
    }

    /** As {@link #open}, always on an XFS of its own with so many bytes, which may be filled up. Needs root. */
    public static DemoStore openSmall(Optional<Path> parent, long bytes, CleanUp cleanUp) throws IOException {
        DemoStore store = below(parent, cleanUp);
        store.makeSmall(bytes);
        return store;
    }

    private static DemoStore below(Optional<Path> parent, CleanUp cleanUp) {
        Path below = parent.orElse(DEFAULT_PARENT).toAbsolutePath();
        byte[] random = new byte[8];
        new SecureRandom().nextBytes(random);
        // Whoever presses Ctrl-C while it is being made wants it gone, too.
        return cleanUp.add(
                new DemoStore(below.resolve("forrest-" + HexFormat.of().formatHex(random))));
    }

    /** Nobody closes it meanwhile. */
    private synchronized void make() throws IOException {
        makeDirectories();
        if (new ReflinkImageStore(directory).checkHost().isEmpty()) {
            return;
        }
        try {
            mount(FILE_BYTES);
        } catch (IOException e) {
            throw new IOException(
                    work.getParent() + " cannot clone files, and an XFS in a file cannot be mounted there: "
                            + e.getMessage() + ". Give a directory on Btrfs or XFS, or run this as root.",
                    e);
        }
    }

    /** Nobody closes it meanwhile. */
    private synchronized void makeSmall(long bytes) throws IOException {
        makeDirectories();
        try {
            mount(bytes);
        } catch (IOException e) {
            throw new IOException(
                    "an XFS in a file cannot be mounted below " + work.getParent() + ": " + e.getMessage()
                            + ". Run this as root.",
                    e);
        }
    }

    private void makeDirectories() throws IOException {
        if (closed) {
            throw new IOException("this process is ending");
        }
        Files.createDirectories(work.getParent());
        Files.createDirectory(work, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Files.createDirectory(directory);
    }

    private void mount(long bytes) throws IOException {
        Path file = file();
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(bytes);
        }
        HostCommand.run("mkfs.xfs", "-q", "-m", "reflink=1", file.toString());
        HostCommand.runAsRoot("mount", "-o", "loop", file.toString(), directory.toString());
        if (!HostCommand.isRoot()) {
            HostCommand.runAsRoot("chown", System.getProperty("user.name"), directory.toString());
        }
    }

    /** What holds the directory's files, if a file does. */
    public Path file() {
        return work.resolve(FILE);
    }

    /** For what is about the store and not in it; on the file system below. */
    public Path besides() {
        return work;
    }

    /** Lets {@link #close} leave the files, for people to look at; it still unmounts. */
    public synchronized void keep() {
        kept = true;
    }

    /** Files in here can be cloned. */
    public Path directory() {
        return directory;
    }

    /** Completes the sentence "the store is ...". */
    String description() throws IOException {
        return directory + (isMounted() ? ", an XFS in a file" : "");
    }

    private boolean isMounted() throws IOException {
        return Files.exists(directory)
                && !Files.getAttribute(directory, DEVICE).equals(Files.getAttribute(work, DEVICE));
    }

    /** Removes all of it that is not to be kept. A second call does nothing. */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        if (isMounted()) {
            // Lazily: who was told to end in the middle of writing may have a file open.
            HostCommand.cleanUpAsRoot("umount", "--lazy", directory.toString());
        }
        if (!kept && Files.exists(work)) {
            delete(work);
        }
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
