package io.forrest.images;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file opened for what the JDK cannot ask about it: its extents, its holes, its place in the page cache. */
final class OpenFile implements AutoCloseable {
    /** struct fiemap: start and length (64 bits each), flags, mapped extents, extents there is room for, reserved. */
    private static final int FIEMAP_BYTES = 32;

    private static final int FIEMAP_FLAG_SYNC = 1;
    private static final int FIEMAP_MAPPED_EXTENTS = 20;

    private final LibC.Calls libc = LibC.calls();
    private final Path file;
    private final int descriptor;

    OpenFile(Path file) throws IOException {
        this.file = file;
        this.descriptor = libc.open(file.toString(), LibC.O_RDONLY | LibC.O_CLOEXEC, 0);
        if (descriptor < 0) {
            throw failed("cannot be opened");
        }
    }

    /** Into how many pieces the file system has split its data; a clone has to copy the place of each. */
    long extents() throws IOException {
        // Without room for extents the kernel only counts them.
        ByteBuffer map = ByteBuffer.allocate(FIEMAP_BYTES).order(ByteOrder.nativeOrder());
        map.putLong(0).putLong(-1L).putInt(FIEMAP_FLAG_SYNC);
        if (libc.ioctl(descriptor, LibC.FS_IOC_FIEMAP, map.array()) != 0) {
            throw failed("has extents that cannot be counted");
        }
        return Integer.toUnsignedLong(map.getInt(FIEMAP_MAPPED_EXTENTS));
    }

    /** The first byte from {@code position} on that is not in a hole; the file's length if all that follows is one. */
    long nextData(long position) throws IOException {
        long found = libc.lseek(descriptor, position, LibC.SEEK_DATA);
        if (found >= 0) {
            return found;
        }
        if (LibC.errno() == LibC.ENXIO) {
            return Math.max(position, Files.size(file));
        }
        throw failed("has holes that cannot be found");
    }

    /** How much of the file is not holes; others may share it. */
    long dataBytes() throws IOException {
        long size = Files.size(file);
        long bytes = 0;
        long at = nextData(0);
        while (at < size) {
            long end = libc.lseek(descriptor, at, LibC.SEEK_HOLE);
            if (end < 0) {
                throw failed("has holes that cannot be found");
            }
            bytes += end - at;
            at = nextData(end);
        }
        return bytes;
    }

    /** Lets the page cache forget the file: the next reader gets what the disk has. What is not synced yet stays. */
    void forgetCached() throws IOException {
        if (libc.posix_fadvise(descriptor, 0, 0, LibC.POSIX_FADV_DONTNEED) != 0) {
            throw new IOException(file + " stays in the page cache");
        }
    }

    private IOException failed(String what) {
        return new IOException(file + " " + what + ": " + libc.strerror(LibC.errno()));
    }

    @Override
    public void close() {
        libc.close(descriptor);
    }
}
