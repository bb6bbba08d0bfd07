package io.forrest.images;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Changes to files that are still there after a power cut, once the call has returned. */
final class DurableFiles {
    private DurableFiles() {}

    /** Puts a file's content, or a directory's names, on stable storage. */
    static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /**
     * Makes a directory and all between it and {@code root}. Names that are there already are synced, too: who made them
     * may have died before he came to it. For one that is on stable storage this costs next to nothing.
     */
    static void createDirectories(Path root, Path directory) throws IOException {
        Files.createDirectories(directory);
        for (Path made = directory; !made.equals(root); made = made.getParent()) {
            sync(made.getParent());
        }
    }

    /** Makes {@code content} that of {@code file}: whoever reads finds the old or the new, never a part. */
    static void write(Path file, byte[] content) throws IOException {
        Path next = file.resolveSibling("." + file.getFileName() + ".next");
        boolean written = false;
        try {
            try (FileChannel channel = FileChannel.open(
                    next, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
                ByteBuffer buffer = ByteBuffer.wrap(content);
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
                channel.force(true);
            }
            rename(next, file);
            written = true;
        } finally {
            if (!written) {
                Files.deleteIfExists(next);
            }
        }
    }

    /** Gives a file another name, whatever had that before, and syncs the directories that it leaves and comes to. */
    static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        sync(to.getParent());
        if (!to.getParent().equals(from.getParent())) {
            sync(from.getParent());
        }
    }
}
