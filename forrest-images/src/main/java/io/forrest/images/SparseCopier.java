package io.forrest.images;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.function.LongConsumer;

/**
 * Copies files in large blocks, and leaves out those without data: the copy has few extents, however scattered the original
 * is. Holes smaller than a block are filled for that.
 */
final class SparseCopier {
    static final int BLOCK_BYTES = 1 << 20;

    /** So much at a time waits in memory for the disk, so that running guests' writes do not queue behind all of it. */
    private static final long SYNC_EVERY_BYTES = 256L << 20;

    private static final ByteBuffer ZEROS =
            ByteBuffer.allocateDirect(BLOCK_BYTES).asReadOnlyBuffer();

    private SparseCopier() {}

    /**
     * Makes {@code copy} a file of the same content, which is on stable storage when this returns.
     *
     * @param copy must not exist; on failure it may be there, in part
     * @param progress is told how far in the file the copy is
     */
    static void copy(Path source, Path copy, LongConsumer progress) throws IOException {
        Files.createFile(copy, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try (FileChannel from = FileChannel.open(source, StandardOpenOption.READ);
                OpenFile map = new OpenFile(source);
                RandomAccessFile target = new RandomAccessFile(copy.toFile(), "rw");
                FileChannel to = target.getChannel()) {
            long size = from.size();
            // At once: of a file that grows, XFS allocates more ahead than is needed, and a hole that comes next keeps
            // it.
            target.setLength(size);
            ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES);
            long unsynced = 0;
            for (long at = nextBlock(map, 0); at < size; at = nextBlock(map, at + BLOCK_BYTES)) {
                read(from, at, block);
                if (!isZero(block)) {
                    unsynced += write(to, at, block);
                }
                if (unsynced >= SYNC_EVERY_BYTES) {
                    to.force(false);
                    unsynced = 0;
                }
                progress.accept(Math.min(at + BLOCK_BYTES, size));
            }
            to.force(true);
            progress.accept(size);
        }
    }

    /** How much a copy takes up at most. */
    static long spaceOfCopy(Path source) throws IOException {
        try (OpenFile map = new OpenFile(source)) {
            long size = Files.size(source);
            long bytes = 0;
            for (long at = nextBlock(map, 0); at < size; at = nextBlock(map, at + BLOCK_BYTES)) {
                bytes += BLOCK_BYTES;
            }
            return bytes;
        }
    }

    /** Whether both have the same content; holes count as zeros. */
    static boolean same(Path one, Path other) throws IOException {
        try (FileChannel left = FileChannel.open(one, StandardOpenOption.READ);
                FileChannel right = FileChannel.open(other, StandardOpenOption.READ);
                OpenFile leftMap = new OpenFile(one);
                OpenFile rightMap = new OpenFile(other)) {
            long size = left.size();
            if (right.size() != size) {
                return false;
            }
            ByteBuffer leftBlock = ByteBuffer.allocateDirect(BLOCK_BYTES);
            ByteBuffer rightBlock = ByteBuffer.allocateDirect(BLOCK_BYTES);
            long at = 0;
            while (at < size) {
                at = Math.min(nextBlock(leftMap, at), nextBlock(rightMap, at));
                if (at < size) {
                    read(left, at, leftBlock);
                    read(right, at, rightBlock);
                    if (!leftBlock.equals(rightBlock)) {
                        return false;
                    }
                    at += BLOCK_BYTES;
                }
            }
            return true;
        }
    }

    /** The block that has the first data from {@code position} on, which is itself a block's first byte. */
    private static long nextBlock(OpenFile map, long position) throws IOException {
        return map.nextData(position) / BLOCK_BYTES * BLOCK_BYTES;
    }

    /** Fills the block, or as much of it as there is to the end of the file. */
    private static void read(FileChannel from, long at, ByteBuffer block) throws IOException {
        block.clear();
        while (block.hasRemaining() && from.read(block, at + block.position()) >= 0) {
            // More may come.
        }
        block.flip();
    }

    private static boolean isZero(ByteBuffer block) {
        return block.equals(ZEROS.duplicate().limit(block.limit()));
    }

    private static int write(FileChannel to, long at, ByteBuffer block) throws IOException {
        int bytes = block.remaining();
        while (block.hasRemaining()) {
            to.write(block, at + block.position());
        }
        return bytes;
    }
}
