package io.forrest.images;

import io.forrest.domain.HostProblem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Finds out whether files in a directory can be cloned, by cloning one. */
final class ReflinkProbe {
    /** One block: an empty file would be "cloned" by file systems that cannot. */
    private static final byte[] CONTENT = new byte[4096];

    private static final String WAYS_OUT =
            "Use a directory on Btrfs, or on XFS made with reflink=1 (the default of mkfs.xfs);"
                    + " an XFS in a file works, too: truncate -s 100G store.xfs && mkfs.xfs store.xfs && mount -o loop store.xfs DIRECTORY.";

    private final FileCloner cloner;

    ReflinkProbe(FileCloner cloner) {
        this.cloner = cloner;
    }

    /** Tries in {@code directory}, or where it would be made. */
    Optional<HostProblem> check(Path directory) {
        Path place = nearestExisting(directory);
        Path source = place.resolve(".reflink-probe-" + ProcessHandle.current().pid());
        Path copy = place.resolve(source.getFileName() + "-copy");
        try {
            Files.write(source, CONTENT);
            Files.deleteIfExists(copy);
            cloner.clone(source, copy);
            return Optional.empty();
        } catch (CloneException e) {
            return Optional.of(new HostProblem(
                    directory.toString(),
                    "is on " + typeOf(place) + ", which cannot clone files, so every machine would need a full copy"
                            + " of its image (" + e.getMessage() + ").",
                    WAYS_OUT));
        } catch (IOException e) {
            if (Failures.isNoSpace(e)) {
                // That is no reason to leave machines that run without their Forrest, and passes.
                return Optional.empty();
            }
            return Optional.of(new HostProblem(
                    directory.toString(),
                    "cannot be written: " + e + ".",
                    "Create it, give it to the user Forrest runs as, or change host.base_dir."));
        } finally {
            delete(source);
            delete(copy);
        }
    }

    private static Path nearestExisting(Path directory) {
        Path place = directory.toAbsolutePath();
        while (!Files.exists(place) && place.getParent() != null) {
            place = place.getParent();
        }
        return place;
    }

    private static String typeOf(Path directory) {
        try {
            return Files.getFileStore(directory).type();
        } catch (IOException e) {
            return "an unknown file system";
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // What kept it from being deleted kept the probe from working, too, and is reported there.
        }
    }
}
