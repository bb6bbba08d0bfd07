package io.forrest.work;

import io.forrest.domain.MachineId;
import io.forrest.files.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * The file {@code machine.json} of a run directory. It is replaced as a whole, so that whoever reads it, also after this
 * process was killed, reads all of the old or all of the new record.
 */
final class RecordFile {
    static final String NAME = "machine.json";

    private final MachineId machine;
    private final Path file;

    RecordFile(RunDirectory directory) {
        this.machine = directory.machine();
        this.file = directory.path().resolve(NAME);
    }

    /** A record, or why there is none. */
    sealed interface Reading {
        /** What was written down. */
        record Known(MachineRecord machine) implements Reading {}

        /** Nothing was: the machine is an earlier Forrest's, which wrote none, or nothing of it was done. */
        record Absent() implements Reading {}

        /** There is a file, from which nothing can be learned. */
        record Unreadable(String reason) implements Reading {}
    }

    Reading read() {
        try {
            return new Reading.Known(MachineRecordJson.read(Files.readAllBytes(file), machine));
        } catch (NoSuchFileException e) {
            return new Reading.Absent();
        } catch (IOException e) {
            return new Reading.Unreadable(file + " cannot be used: " + e.getMessage());
        }
    }

    /** Out of the way of a new one, for people to look at. */
    void setAside() throws IOException {
        Files.move(file, file.resolveSibling(NAME + ".unreadable"), StandardCopyOption.REPLACE_EXISTING);
    }

    /** Survives the end of this process. A crash of the host ends all VMs, and with them what most records are good for. */
    void write(MachineRecord record) throws IOException {
        write(record, AtomicFiles.Durability.PROCESS);
    }

    /** Survives a crash of the host, too. */
    void writeDurably(MachineRecord record) throws IOException {
        write(record, AtomicFiles.Durability.HOST);
    }

    private void write(MachineRecord record, AtomicFiles.Durability durability) throws IOException {
        AtomicFiles.write(
                file,
                MachineRecordJson.write(record),
                durability,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }
}
