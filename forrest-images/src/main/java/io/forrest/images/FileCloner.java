package io.forrest.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Makes reflink copies with one {@code FICLONE} call: all of the file at once, no data copied, or an error. */
final class FileCloner {
    private static final int MODE = 0600;

    private final LibC.Calls libc = LibC.calls();

    /**
     * Makes {@code copy} share all of {@code source}'s blocks.
     *
     * @param copy must not exist; does not on failure
     * @throws CloneException if the file system does not do it
     * @throws IOException if one of the files cannot be opened
     */
    void clone(Path source, Path copy) throws IOException {
        int from = open(source, LibC.O_RDONLY | LibC.O_CLOEXEC);
        try {
            int to = open(copy, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_CLOEXEC);
            boolean cloned = false;
            try {
                if (libc.ioctl(to, LibC.FICLONE, from) != 0) {
                    int errno = LibC.errno();
                    throw new CloneException(
                            "cannot clone " + source + " to " + copy + ": " + libc.strerror(errno), errno);
                }
                cloned = true;
            } finally {
                libc.close(to);
                if (!cloned) {
                    Files.deleteIfExists(copy);
                }
            }
        } finally {
            libc.close(from);
        }
    }

    /** Syncs all of the file system that {@code directory} is on. May take as long as writing all that is in memory takes. */
    void syncFileSystem(Path directory) throws IOException {
        int descriptor = open(directory, LibC.O_RDONLY | LibC.O_CLOEXEC);
        try {
            if (libc.syncfs(descriptor) != 0) {
                throw new IOException(
                        "cannot sync the file system of " + directory + ": " + libc.strerror(LibC.errno()));
            }
        } finally {
            libc.close(descriptor);
        }
    }

    private int open(Path file, int flags) throws IOException {
        int descriptor = libc.open(file.toString(), flags, MODE);
        if (descriptor < 0) {
            throw new IOException("cannot open " + file + ": " + libc.strerror(LibC.errno()));
        }
        return descriptor;
    }
}
