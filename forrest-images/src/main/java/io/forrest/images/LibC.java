package io.forrest.images;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;

/**
 * The C library's calls that the JDK lacks; the only native code of this module.
 *
 * <p>WHY NATIVE: there is no other way to ask Linux for a reflink copy than {@code ioctl(FICLONE)}, nor to have all of a file
 * system synced than {@code syncfs}, and they need file descriptors, which the JDK does not show. SAFE BECAUSE: all arguments are numbers and one NUL-terminated string that
 * JNR copies; no pointer of ours is kept.
 */
final class LibC {
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_CREAT = 0x40;
    static final int O_EXCL = 0x80;
    static final int O_CLOEXEC = 0x80000;

    /** {@code _IOW(0x94, 9, int)}, see ioctl_ficlone(2). */
    static final long FICLONE = 0x40049409L;

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
