package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Stream;

/** All machine types' images below a base directory. */
final class StoreFiles {
    private static final List<String> SUFFIXES = List.of(".img", ".generations");

    private final ImagePaths paths;
    private final FileCloner cloner = new FileCloner();
    private final Clock clock;

    StoreFiles(Path baseDirectory, Clock clock) {
        this.paths = new ImagePaths(baseDirectory);
        this.clock = clock;
    }

    ImagePaths paths() {
        return paths;
    }

    FileCloner cloner() {
        return cloner;
    }

    Instant now() {
        return clock.instant();
    }

    TypeImages of(MachineTypeId type) {
        return new TypeImages(paths, type, cloner, clock);
    }

    DataSize freeSpace() throws IOException {
        return new DataSize(Files.getFileStore(paths.baseDirectory()).getUsableSpace());
    }

    /** Has the file system account for what was removed; Btrfs does so only now and then by itself. */
    void syncFileSystem() throws IOException {
        cloner.syncFileSystem(paths.baseDirectory());
    }

    /** The types that have a machine image or generations. */
    NavigableSet<MachineTypeId> types() throws IOException {
        NavigableSet<MachineTypeId> types = new TreeSet<>();
        for (Path repository : repositories()) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(repository)) {
                for (Path file : files) {
                    type(file).ifPresent(types::add);
                }
            }
        }
        return types;
    }

    /** Removes what imports and re-packings that were killed have left. */
    void removeLeftOvers() throws IOException {
        for (Path repository : repositories()) {
            UnfinishedFiles.removeLeftOvers(repository);
        }
    }

    /** The directories that machine images are in. */
    private List<Path> repositories() throws IOException {
        List<Path> repositories = new ArrayList<>();
        for (Path owner : directories(paths.machines())) {
            repositories.addAll(directories(owner));
        }
        return repositories;
    }

    private static List<Path> directories(Path above) throws IOException {
        if (!Files.isDirectory(above)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(above)) {
            return files.filter(Files::isDirectory).toList();
        }
    }

    private static Optional<MachineTypeId> type(Path file) {
        String name = file.getFileName().toString();
        Path repository = file.getParent();
        for (String suffix : SUFFIXES) {
            if (name.endsWith(suffix)) {
                try {
                    return Optional.of(new MachineTypeId(
                            new RepositoryId(
                                    repository.getParent().getFileName().toString(),
                                    repository.getFileName().toString()),
                            name.substring(0, name.length() - suffix.length())));
                } catch (IllegalArgumentException e) {
                    // Something else of somebody's.
                }
            }
        }
        return Optional.empty();
    }
}
