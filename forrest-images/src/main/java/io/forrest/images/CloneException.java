package io.forrest.images;

import java.io.IOException;

/** The file system did not make a reflink copy. */
final class CloneException extends IOException {
    private final int errno;

    CloneException(String message, int errno) {
        super(message);
        this.errno = errno;
    }

    /** Source and copy lie on different file systems. */
    boolean acrossFileSystems() {
        return errno == LibC.EXDEV;
    }

    /** This file system cannot, as opposed to could not this time. */
    boolean unsupported() {
        return errno == LibC.EOPNOTSUPP || errno == LibC.EINVAL || errno == LibC.ENOTTY;
    }
}
