package io.forrest.work;

import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Where one machine's files are: {@code <base_dir>/runs/<owner>/<repository>/<type>/<runner name>}. The names in it are
 * the reference's; people and scripts know them.
 */
record RunDirectory(MachineId machine, Path path) {
    private static final String RUNS = "runs";

    static RunDirectory of(Path baseDirectory, MachineId machine) {
        MachineTypeId type = machine.type();
        return new RunDirectory(
                machine,
                baseDirectory
                        .resolve(RUNS)
                        .resolve(type.repository().owner())
                        .resolve(type.repository().name())
                        .resolve(type.type())
                        .resolve(machine.runnerName()));
    }

    /** All there are below {@code baseDirectory}; whatever has no machine's name is not ours and left out. */
    static List<RunDirectory> all(Path baseDirectory) throws IOException {
        List<RunDirectory> found = new ArrayList<>();
        for (Path owner : directories(baseDirectory.resolve(RUNS))) {
            for (Path repository : directories(owner)) {
                for (Path type : directories(repository)) {
                    for (Path run : directories(type)) {
                        // Forrest makes no links here: what is behind one is somebody else's.
                        if (!Files.isSymbolicLink(run)) {
                            parse(owner, repository, type, run).ifPresent(found::add);
                        }
                    }
                }
            }
        }
        return found;
    }

    private static Optional<RunDirectory> parse(Path owner, Path repository, Path type, Path run) {
        try {
            MachineTypeId typeId = new MachineTypeId(
                    new RepositoryId(
                            owner.getFileName().toString(),
                            repository.getFileName().toString()),
                    type.getFileName().toString());
            return Optional.of(
                    new RunDirectory(new MachineId(typeId, run.getFileName().toString()), run));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static List<Path> directories(Path parent) throws IOException {
        List<Path> directories = new ArrayList<>();
        if (Files.isDirectory(parent)) {
            try (DirectoryStream<Path> children = Files.newDirectoryStream(parent, Files::isDirectory)) {
                children.forEach(directories::add);
            }
        }
        return directories;
    }

    Path disk() {
        return path.resolve("disk.img");
    }

    Path cloudInit() {
        return path.resolve("cloud-init.img");
    }

    Path jobConfig() {
        return path.resolve("job-config.img");
    }

    Path log() {
        return path.resolve("log.txt");
    }

    Path shellSocket() {
        return path.resolve("shell.sock");
    }

    /** Where a disk goes that should have been promoted and could not be. */
    Path rescuedDisk() {
        return path.resolve("disk.img.rescued");
    }

    /** Whether there is something here that only a machine needs that is not over. */
    boolean hasVolumes() {
        return Files.exists(disk()) || Files.exists(cloudInit()) || Files.exists(jobConfig());
    }

    /** Removes what only the running machine needed. The logs stay. */
    void removeVolumes() throws IOException {
        Files.deleteIfExists(disk());
        Files.deleteIfExists(cloudInit());
        Files.deleteIfExists(jobConfig());
        Files.deleteIfExists(shellSocket());
    }
}
