package io.forrest.work;

import io.forrest.domain.DataSize;
import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Keeps a log from growing for ever while another process goes on writing to it.
 *
 * <p>That process keeps its file open, so the log is not renamed: its newest part is copied to {@code <name>.1}, and it
 * is truncated. The writer must append, or it would go on far behind the new end.
 */
final class LogCap {
    /** Of the copy this part is left for what is written meanwhile. */
    private static final int CATCH_UP_SHARE = 8;

    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private LogCap() {}

    /**
     * Begins {@code log} anew if it is larger than {@code most}; the newest of it, never more than {@code most}, is then
     * in {@code <name>.1}, in place of what was there. What is written between the end of copying and the truncation is
     * lost. Does nothing if there is no such file or if it is no plain one; links are not followed.
     *
     * @throws IOException if it could not be copied. A log of twice that size is then truncated all the same: it might
     *     well be what fills the disk
     */
    static void apply(Path log, DataSize most) throws IOException {
        try {
            BasicFileAttributes attributes =
                    Files.readAttributes(log, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            if (attributes.isRegularFile() && attributes.size() > most.bytes()) {
                rotate(log, most.bytes());
            }
        } catch (NoSuchFileException e) {
            // It went away with its directory, or there was none yet.
        }
    }

    private static void rotate(Path log, long most) throws IOException {
        try (FileChannel source =
                FileChannel.open(log, StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
            try {
                copyTail(source, log.resolveSibling(log.getFileName() + ".1"), most);
            } catch (IOException e) {
                if (source.isOpen() && source.size() / 2 >= most) {
                    source.truncate(0);
                }
                throw e;
            }
            source.truncate(0);
        }
    }

    private static void copyTail(FileChannel source, Path older, long most) throws IOException {
        // Before the copy is made, not after: there are never three files of a log. Should we be killed in between, the
        // newest is still in the log.
        Files.deleteIfExists(older);
        try (FileChannel target =
                FileChannel.open(older, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OWNER_ONLY)) {
            long end = source.size();
            long start = Math.max(0, end - (most - most / CATCH_UP_SHARE));
            copy(source, start, end, target);
            for (long room = most - (end - start); room > 0 && source.size() > end; room = most - (end - start)) {
                long next = Math.min(source.size(), end + room);
                copy(source, end, next, target);
                end = next;
            }
        }
    }

    private static void copy(FileChannel source, long start, long end, FileChannel target) throws IOException {
        long at = start;
        while (at < end) {
            long copied = source.transferTo(at, end - at, target);
            if (copied == 0) {
                throw new EOFException("somebody else truncated it");
            }
            at += copied;
        }
    }
}
