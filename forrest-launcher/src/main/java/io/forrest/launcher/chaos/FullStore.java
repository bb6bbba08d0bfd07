package io.forrest.launcher.chaos;

import io.forrest.launcher.HostCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Fills a file system up, and empties it again. One thread. */
final class FullStore {
    /** What XFS keeps for itself. */
    private static final long SMALLEST = 64 << 10;

    private static final int MOST_FILES = 60;

    private final Path directory;
    private final List<Path> files = new ArrayList<>();

    FullStore(Path directory) {
        this.directory = directory;
    }

    boolean isFull() {
        return !files.isEmpty();
    }

    /** Takes all there is. A second call takes what has become free meanwhile. */
    void fill() throws IOException {
        long bytes = free();
        while (bytes >= SMALLEST && files.size() < MOST_FILES) {
            Path file = directory.resolve("filler-" + files.size());
            try {
                HostCommand.run("fallocate", "--length", Long.toString(bytes), file.toString());
                files.add(file);
            } catch (IOException tooMuch) {
                Files.deleteIfExists(file);
                bytes /= 2;
            }
            bytes = Math.min(bytes, free());
        }
    }

    /** In bytes. */
    long free() throws IOException {
        return Files.getFileStore(directory).getUsableSpace();
    }

    void empty() throws IOException {
        for (Path file : files) {
            Files.deleteIfExists(file);
        }
        files.clear();
    }
}
