package io.forrest.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.Set;

/** Changes to files of which nobody ever sees the half. From any thread, but one at a time for each file. */
public final class AtomicFiles {
    private AtomicFiles() {}

    /** What a change has survived once the call has returned. */
    public enum Durability {
        /** The end of this process, however it comes. */
        PROCESS,
        /** A crash of the host, too; syncing takes milliseconds to seconds. */
        HOST
    }

    /**
     * Makes {@code content} that of {@code file}: whoever reads finds the old or the new, never a part.
     *
     * @param attributes of the file, if there is none yet that was left half written
     */
    public static void write(Path file, byte[] content, Durability durability, FileAttribute<?>... attributes)
            throws IOException {
        Path next = file.resolveSibling("." + file.getFileName() + ".next");
        boolean written = false;
        try {
            try (FileChannel channel = FileChannel.open(
                    next,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING),
                    attributes)) {
                ByteBuffer buffer = ByteBuffer.wrap(content);
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
                if (durability == Durability.HOST) {
                    channel.force(true);
                }
            }
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            written = true;
        } finally {
            if (!written) {
                Files.deleteIfExists(next);
            }
        }
        if (durability == Durability.HOST) {
            sync(file.getParent());
        }
    }

    /** Puts a file's content, or a directory's names, on stable storage. */
    public static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
