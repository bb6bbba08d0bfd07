package io.forrest.images;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a qcow2 file says of itself, by QEMU's docs/interop/qcow2.
 *
 * @param backed it lacks what another file has, whose name it gives
 * @param dataElsewhere its data is in another file, whose name it gives
 * @param encrypted without a password it is noise
 * @param diskBytes how large its guest thinks the disk is
 */
record Qcow2Header(boolean backed, boolean dataElsewhere, boolean encrypted, long diskBytes) {
    private static final int BYTES = 80;
    private static final int VERSION = 4;
    private static final int BACKING_FILE_OFFSET = 8;
    private static final int DISK_BYTES = 24;
    private static final int ENCRYPTION = 32;
    /** Versions before 3 have none. */
    private static final int INCOMPATIBLE_FEATURES = 72;

    private static final long EXTERNAL_DATA_FILE = 1L << 2;

    /** {@code file} begins with the magic. Throws {@link IOException} if there is no more of it. */
    static Qcow2Header of(Path file) throws IOException {
        ByteBuffer header;
        try (InputStream in = Files.newInputStream(file)) {
            header = ByteBuffer.wrap(in.readNBytes(BYTES));
        }
        if (header.limit() < BYTES) {
            throw new IOException(file + " ends within its qcow2 header");
        }
        long incompatible = header.getInt(VERSION) >= 3 ? header.getLong(INCOMPATIBLE_FEATURES) : 0;
        return new Qcow2Header(
                header.getLong(BACKING_FILE_OFFSET) != 0,
                (incompatible & EXTERNAL_DATA_FILE) != 0,
                header.getInt(ENCRYPTION) != 0,
                header.getLong(DISK_BYTES));
    }
}
