package io.forrest.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/** A file system of its own kind in a file, mounted while a test needs it. Needs root. */
public final class LoopFileSystem implements AutoCloseable {
    private static final long XFS_BYTES = 400L << 20;

    private final String type;
    private final Path file;
    private final Path directory;

    private LoopFileSystem(String type, Path file, Path directory) {
        this.type = type;
        this.file = file;
        this.directory = directory;
    }

    /** {@code type} is {@code xfs}, {@code btrfs} or {@code ext4}. The file is sparse. */
    public static LoopFileSystem mount(String type) {
        return mount(type, XFS_BYTES);
    }

    public static LoopFileSystem mount(String type, long bytes) {
        HostNeeds.root();
        Path mkfs = HostNeeds.program("mkfs." + type);
        try {
            Path file = Files.createTempFile("forrest-" + type, ".fs");
            try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                sparse.setLength(bytes);
            }
            Path directory = Files.createTempDirectory("forrest-" + type);
            run(mkfs.toString(), "-q", file.toString());
            run("mount", "-o", "loop", file.toString(), directory.toString());
            return new LoopFileSystem(type, file, directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where it is mounted. */
    public Path directory() {
        return directory;
    }

    /**
     * What was not on stable storage is gone, as after a power cut, and the file system is mounted again. Nobody may have a
     * file open on it. Needs xfs_io for XFS.
     */
    public void cutPower() {
        try {
            if (type.equals("xfs")) {
                run(HostNeeds.program("xfs_io").toString(), "-x", "-c", "shutdown", directory.toString());
                run("umount", directory.toString());
            } else {
                // What is in the file now is what the device had been given; unmounting would give it the rest.
                Path now = file.resolveSibling(file.getFileName() + ".now");
                run("cp", "--sparse=always", file.toString(), now.toString());
                run("umount", directory.toString());
                Files.move(now, file, StandardCopyOption.REPLACE_EXISTING);
            }
            run("mount", "-o", "loop", file.toString(), directory.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void run(String... command) throws IOException {
        List<String> line = new ArrayList<>(List.of(command));
        Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output;
        try (InputStream in = process.getInputStream()) {
            output = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        try {
            if (process.waitFor() != 0) {
                throw new IOException(line + " failed: " + output);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    @Override
    public void close() {
        try {
            run("umount", directory.toString());
            Files.delete(directory);
            Files.delete(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
