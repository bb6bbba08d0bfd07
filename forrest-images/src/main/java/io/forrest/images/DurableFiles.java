package io.forrest.images;

import io.forrest.files.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Changes to files that are still there after a power cut, once the call has returned. */
final class DurableFiles {
    private DurableFiles() {}

    /**
     * Makes a directory and all between it and {@code root}. Names that are there already are synced, too: who made them
     * may have died before he came to it. For one that is on stable storage this costs next to nothing.
     */
    static void createDirectories(Path root, Path directory) throws IOException {
        Files.createDirectories(directory);
        for (Path made = directory; !made.equals(root); made = made.getParent()) {
            AtomicFiles.sync(made.getParent());
        }
    }

    /** Makes {@code content} that of {@code file}: whoever reads finds the old or the new, never a part. */
    static void write(Path file, byte[] content) throws IOException {
        AtomicFiles.write(file, content, AtomicFiles.Durability.HOST);
    }

    /** Gives a file another name, whatever had that before, and syncs the directories that it leaves and comes to. */
    static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        AtomicFiles.sync(to.getParent());
        if (!to.getParent().equals(from.getParent())) {
            AtomicFiles.sync(from.getParent());
        }
    }
}
