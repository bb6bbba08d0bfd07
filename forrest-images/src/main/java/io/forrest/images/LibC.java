package io.forrest.images;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;

/**
 * The C library's calls that the JDK lacks; the only native code of this module.
 *
 * <p>WHY NATIVE: there is no other way to ask Linux for a reflink copy than {@code ioctl(FICLONE)}, for the number of a
 * file's extents than {@code ioctl(FS_IOC_FIEMAP)}, or for its holes than {@code lseek(SEEK_DATA)}, nor to have all of a file
 * system synced than {@code syncfs}, or a file forgotten by the page cache than {@code posix_fadvise}; and they need file
 * descriptors, which the JDK does not show. SAFE BECAUSE: all arguments are numbers, a NUL-terminated string and an array,
 * which JNR copies; no pointer of ours is kept.
 */
final class LibC {
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_CREAT = 0x40;
    static final int O_EXCL = 0x80;
    static final int O_CLOEXEC = 0x80000;

    /** {@code _IOW(0x94, 9, int)}, see ioctl_ficlone(2). */
    static final long FICLONE = 0x40049409L;

    /** {@code _IOWR('f', 11, struct fiemap)}, see the kernel's Documentation/filesystems/fiemap. */
    static final long FS_IOC_FIEMAP = 0xC020660BL;

    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;
    static final int POSIX_FADV_DONTNEED = 4;

    static final int ENXIO = 6;
    static final int EXDEV = 18;
    static final int EINVAL = 22;
    static final int ENOTTY = 25;
    static final int ENOSPC = 28;
    static final int EOPNOTSUPP = 95;
    static final int EDQUOT = 122;

    private static final Calls CALLS = LibraryLoader.create(Calls.class).load("c");
    private static final Runtime RUNTIME = Runtime.getRuntime(CALLS);

    /** Public because the class that JNR makes of it lives elsewhere; nobody outside of {@link LibC} sees it. */
    public interface Calls {
        int open(String path, int flags, int mode);

        int close(int descriptor);

        int ioctl(int descriptor, long request, int argument);

        int ioctl(int descriptor, long request, @In @Out byte[] argument);

        long lseek(int descriptor, long offset, int whence);

        int posix_fadvise(int descriptor, long offset, long length, int advice);

        int syncfs(int descriptor);

        String strerror(int errno);
    }

    private LibC() {}

    static Calls calls() {
        return CALLS;
    }

    /** The error of this thread's last call that failed. */
    static int errno() {
        return RUNTIME.getLastError();
    }
}
