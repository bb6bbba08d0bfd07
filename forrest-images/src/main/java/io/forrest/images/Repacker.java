package io.forrest.images;

import io.forrest.files.AtomicFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileOwnerAttributeView;
import java.nio.file.attribute.UserDefinedFileAttributeView;

/**
 * Makes copies of fragmented images that are quick to clone. The time a clone takes grows with the extents of the image,
 * and those of a machine image grow with each generation that guests have written to.
 */
final class Repacker {
    /** A clone takes from a quarter to three quarters of a second then, on XFS longer than on Btrfs. */
    private static final long TOLERATED_EXTENTS = 20_000;

    private final long toleratedExtents;

    Repacker() {
        this(TOLERATED_EXTENTS);
    }

    /** For tests: many extents take long to make. */
    Repacker(long toleratedExtents) {
        this.toleratedExtents = toleratedExtents;
    }

    /**
     * Whether a copy of an image is worth its time and space.
     *
     * @param extents the image's
     * @param packedExtents how many it had when it was last re-packed, 0 if it never was: some cannot have fewer
     */
    boolean isWorthwhile(long extents, long packedExtents) {
        return extents > Math.max(toleratedExtents, 2 * packedExtents);
    }

    static long extents(Path image) throws IOException {
        try (OpenFile file = new OpenFile(image)) {
            return file.extents();
        }
    }

    /**
     * Makes {@code copy} the same image, time and attributes included, in few extents and on stable storage. It shares no
     * blocks with the image. Reads and writes all of the image, at the disk's speed; the image must not change meanwhile.
     *
     * @param copy must not exist; on failure it may be there, in part
     * @throws IOException also if the copy, read back, is not the same
     */
    static void repack(Path image, Path copy) throws IOException {
        SparseCopier.copy(image, copy, at -> {});
        // The comparison is to see what the disk has, and nobody reads either of them soon: machines have their own
        // clones.
        forgetCached(copy);
        boolean same = SparseCopier.same(image, copy);
        forgetCached(copy);
        forgetCached(image);
        if (!same) {
            throw new IOException(copy + " is not what was written to it, a copy of " + image
                    + "; look for errors of the disk in the kernel's log");
        }
        copyAttributes(image, copy);
        AtomicFiles.sync(copy);
    }

    private static void forgetCached(Path file) throws IOException {
        try (OpenFile open = new OpenFile(file)) {
            open.forgetCached();
        }
    }

    private static void copyAttributes(Path from, Path to) throws IOException {
        UserDefinedFileAttributeView target = userAttributes(to);
        UserDefinedFileAttributeView source = userAttributes(from);
        for (String name : source.list()) {
            ByteBuffer value = ByteBuffer.allocate(source.size(name));
            source.read(name, value);
            target.write(name, value.flip());
        }
        Files.setLastModifiedTime(to, Files.getLastModifiedTime(from));
        FileOwnerAttributeView owner = Files.getFileAttributeView(to, FileOwnerAttributeView.class);
        if (!owner.getOwner().equals(Files.getOwner(from))) {
            owner.setOwner(Files.getOwner(from));
        }
        // Last: they may keep the others from being written.
        Files.setPosixFilePermissions(to, Files.getPosixFilePermissions(from));
    }

    private static UserDefinedFileAttributeView userAttributes(Path file) {
        return Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
    }
}
