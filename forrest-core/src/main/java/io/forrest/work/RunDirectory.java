package io.forrest.work;

import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * Where one machine's files are: {@code <base_dir>/runs/<owner>/<repository>/<type>/<runner name>}. The names in it are
 * the reference's; people and scripts know them.
 */
record RunDirectory(MachineId machine, Path path) {
    private static final String RUNS = "runs";
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rwx------");

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

    /**
     * All there are below {@code baseDirectory}; whatever has no machine's name is not ours and left out.
     *
     * @param unreadable is told of what cannot be looked into; the others are found all the same
     */
    static List<RunDirectory> all(Path baseDirectory, BiConsumer<Path, IOException> unreadable) {
        List<RunDirectory> found = new ArrayList<>();
        for (Path owner : children(baseDirectory.resolve(RUNS), unreadable)) {
            for (Path repository : children(owner, unreadable)) {
                for (Path type : children(repository, unreadable)) {
                    for (Path run : children(type, unreadable)) {
                        // Forrest makes no links here: what is behind one is somebody else's.
                        if (Files.isDirectory(run, LinkOption.NOFOLLOW_LINKS)) {
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

    private static List<Path> children(Path parent, BiConsumer<Path, IOException> unreadable) {
        List<Path> children = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(parent)) {
            stream.forEach(children::add);
        } catch (NoSuchFileException | NotDirectoryException e) {
            // Not there (any more), or somebody's file: there is nothing in it.
            return List.of();
        } catch (DirectoryIteratorException e) {
            unreadable.accept(parent, e.getCause());
        } catch (IOException e) {
            unreadable.accept(parent, e);
        }
        return children;
    }

    /**
     * Makes it for its owner's eyes only, whatever the process' umask: the JIT configuration and the run token are in it.
     * Does nothing more if it is there.
     */
    void create() throws IOException {
        Files.createDirectories(path.getParent());
        Files.createDirectories(path, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        Files.setPosixFilePermissions(path, OWNER_ONLY);
    }

    /** Whether it is reached through a symbolic link somewhere below {@code runs}. */
    boolean isBehindLink(Path baseDirectory) throws IOException {
        Path runs = baseDirectory.resolve(RUNS);
        return !path.toRealPath().equals(runs.toRealPath().resolve(runs.relativize(path)));
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

    /** The log, and whatever else the hypervisor writes that ends in {@code .log}. Those that are not there are left out. */
    List<Path> logs() throws IOException {
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(
                path,
                child -> child.equals(log()) || child.getFileName().toString().endsWith(".log"))) {
            List<Path> logs = new ArrayList<>();
            stream.forEach(logs::add);
            return logs;
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
    }

    Path shellSocket() {
        return path.resolve("shell.sock");
    }

    /** The machine's TPM, if it has one. */
    Path tpmState() {
        return path.resolve("tpm.swtpm");
    }

    /** Where a disk goes that should have been promoted and could not be. */
    Path rescuedDisk() {
        return path.resolve("disk.img.rescued");
    }

    /** Whether there is something here that only a machine needs that is not over. */
    boolean hasVolumes() {
        return isThere(disk()) || isThere(cloudInit()) || isThere(jobConfig()) || isThere(tpmState());
    }

    /** Whether there is a disk that somebody has yet to look at. */
    boolean hasRescuedDisk() {
        return isThere(rescuedDisk());
    }

    private static boolean isThere(Path file) {
        return Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    }

    /** When anything in it was last written, added or removed. Follows no links. */
    Instant lastChanged() throws IOException {
        Instant[] newest = {Instant.MIN};
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
                return note(attributes);
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                return note(attributes);
            }

            private FileVisitResult note(BasicFileAttributes attributes) {
                Instant modified = attributes.lastModifiedTime().toInstant();
                newest[0] = modified.isAfter(newest[0]) ? modified : newest[0];
                return FileVisitResult.CONTINUE;
            }
        });
        return newest[0];
    }

    /** Removes it with all that is in it. What a link in it leads to stays. */
    void remove() throws IOException {
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    /** Removes what only the running machine needed. The logs stay. */
    void removeVolumes() throws IOException {
        Files.deleteIfExists(disk());
        Files.deleteIfExists(cloudInit());
        Files.deleteIfExists(jobConfig());
        Files.deleteIfExists(tpmState());
        Files.deleteIfExists(shellSocket());
    }
}
