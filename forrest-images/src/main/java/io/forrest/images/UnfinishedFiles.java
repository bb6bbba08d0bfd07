package io.forrest.images;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The files of one import or re-packing while it is under way. They stand where the image will, under names that nobody
 * looks at, and a lock tells them from what a killed process has left behind.
 */
final class UnfinishedFiles implements AutoCloseable {
    private static final String PREFIX = ".unfinished-";
    private static final String LOCK = ".lock";

    /**
     * The locks of this process. One more channel to such a file, and closing it would give the lock up: they are not
     * opened a second time.
     */
    private static final Set<Path> OURS = ConcurrentHashMap.newKeySet();

    private final Path stem;
    private final FileChannel lock;

    private UnfinishedFiles(Path stem, FileChannel lock) {
        this.stem = stem;
        this.lock = lock;
    }

    /** Names for new ones in {@code directory}. */
    static UnfinishedFiles in(Path directory) throws IOException {
        while (true) {
            byte[] random = new byte[8];
            new SecureRandom().nextBytes(random);
            Path stem = directory.toRealPath().resolve(PREFIX + HexFormat.of().formatHex(random));
            Path lockFile = lockOf(stem);
            OURS.add(lockFile);
            FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            // Who looks for left-overs may have come in between.
            if (channel.tryLock() != null && Files.exists(lockFile)) {
                return new UnfinishedFiles(stem, channel);
            }
            channel.close();
            OURS.remove(lockFile);
        }
    }

    private static Path lockOf(Path stem) {
        return stem.resolveSibling(stem.getFileName() + LOCK);
    }

    /** Where what is downloaded goes. */
    Path download() {
        return stem.resolveSibling(stem.getFileName() + ".download");
    }

    /** Where the raw image goes. */
    Path image() {
        return stem.resolveSibling(stem.getFileName() + ".img");
    }

    /** Removes what killed processes have left in {@code directory}. */
    static void removeLeftOvers(Path directory) throws IOException {
        try (DirectoryStream<Path> locks = Files.newDirectoryStream(directory.toRealPath(), PREFIX + "*" + LOCK)) {
            for (Path lockFile : locks) {
                if (OURS.contains(lockFile)) {
                    continue;
                }
                try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.WRITE)) {
                    if (channel.tryLock() != null) {
                        String name = lockFile.getFileName().toString();
                        Path stem = lockFile.resolveSibling(name.substring(0, name.length() - LOCK.length()));
                        new UnfinishedFiles(stem, channel).removeAll();
                    }
                } catch (OverlappingFileLockException e) {
                    // Another thread of this process removes it.
                }
            }
        }
    }

    /** The lock last: as long as it is there, the others can be found. */
    private void removeAll() throws IOException {
        Files.deleteIfExists(download());
        Files.deleteIfExists(image());
        Files.deleteIfExists(lockOf(stem));
    }

    /** Removes what is there; a second call, what has come since. */
    @Override
    public synchronized void close() throws IOException {
        try (lock) {
            removeAll();
        } finally {
            OURS.remove(lockOf(stem));
        }
    }
}
