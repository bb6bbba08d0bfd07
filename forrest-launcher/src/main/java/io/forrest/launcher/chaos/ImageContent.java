package io.forrest.launcher.chaos;

import io.forrest.launcher.HostCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What jobs left in a guest's disk.
 *
 * @param digests the SHA-256 of each file in {@link PlannedJob#DIRECTORY}, by name
 * @param damage why the file system is not whole, if it is not
 */
record ImageContent(Map<String, String> digests, Optional<String> damage) {
    ImageContent {
        digests = Collections.unmodifiableMap(new TreeMap<>(digests));
    }

    /** Looks into the tiny guest's disk, which is a FAT. {@code scratch} is a directory that may be made and removed. */
    static ImageContent read(Path image, Path scratch) throws IOException {
        Optional<String> damage = Optional.empty();
        Map<String, String> digests = new TreeMap<>();
        try {
            HostCommand.run("fsck.vfat", "-n", image.toString());
            Files.createDirectory(scratch);
            HostCommand.run(
                    "env",
                    "MTOOLS_SKIP_CHECK=1",
                    "mcopy",
                    "-s",
                    "-n",
                    "-Q",
                    "-i",
                    image.toString(),
                    "::" + PlannedJob.DIRECTORY,
                    scratch.toString());
        } catch (IOException e) {
            damage = Optional.of(e.getMessage());
        }
        Path copied = scratch.resolve(PlannedJob.DIRECTORY);
        if (Files.isDirectory(copied)) {
            try (Stream<Path> files = Files.list(copied)) {
                for (Path file : files.toList()) {
                    digests.put(file.getFileName().toString(), PlannedJob.digest(Files.readAllBytes(file)));
                    Files.delete(file);
                }
            }
            Files.delete(copied);
        }
        Files.deleteIfExists(scratch);
        return new ImageContent(digests, damage);
    }
}
