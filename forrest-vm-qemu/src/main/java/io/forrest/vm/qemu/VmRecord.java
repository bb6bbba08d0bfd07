package io.forrest.vm.qemu;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.files.AtomicFiles;
import io.forrest.spi.VmExit;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What is written down of a VM in its run directory, so that whoever comes later knows how it ended. It is there before
 * the VM's process is.
 *
 * @param disks those the guest may write, as the run directory resolves them
 * @param tpm whether it was given a TPM
 * @param stopping whether Forrest is ending it
 * @param exit how it ended; present before the process is gone, if the guest powered off by itself
 */
record VmRecord(List<String> disks, boolean tpm, boolean stopping, Optional<VmExit> exit) {
    /** Its name in the run directory. */
    static final String FILE = "qemu.json";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String DISKS = "disks";
    private static final String TPM = "tpm";
    private static final String STOPPING = "stopping";
    private static final String EXIT = "exit";
    private static final String KIND = "kind";
    private static final String REASON = "reason";

    VmRecord {
        disks = List.copyOf(disks);
    }

    VmRecord withStopping() {
        return new VmRecord(disks, tpm, true, exit);
    }

    VmRecord withExit(VmExit how) {
        return new VmRecord(disks, tpm, stopping, Optional.of(how));
    }

    /** Empty if no VM was ever started there. */
    static Optional<VmRecord> read(Path runDirectory) throws IOException {
        Path file = runDirectory.resolve(FILE);
        byte[] text;
        try {
            text = Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
        try {
            JsonNode json = JSON.readTree(text);
            List<String> disks = new ArrayList<>();
            json.required(DISKS).forEach(disk -> disks.add(disk.asText()));
            Optional<VmExit> exit = Optional.ofNullable(json.get(EXIT))
                    .map(how -> new VmExit(
                            VmExit.Kind.valueOf(how.required(KIND).asText()),
                            how.required(REASON).asText()));
            return Optional.of(new VmRecord(
                    disks, json.path(TPM).asBoolean(), json.required(STOPPING).asBoolean(), exit));
        } catch (IOException | IllegalArgumentException e) {
            throw new IOException(file + " is damaged: " + e.getMessage(), e);
        }
    }

    /** Writes it to stable storage: after a crash of the host, too, there is either the old one or this one. */
    void write(Path runDirectory) throws IOException {
        ObjectNode json = JSON.createObjectNode();
        disks.forEach(json.putArray(DISKS)::add);
        json.put(TPM, tpm);
        json.put(STOPPING, stopping);
        exit.ifPresent(how -> json.putObject(EXIT).put(KIND, how.kind().name()).put(REASON, how.reason()));
        Path draft = Files.createTempFile(runDirectory, FILE, ".tmp");
        try {
            try (FileChannel channel = FileChannel.open(draft, StandardOpenOption.WRITE)) {
                ByteBuffer bytes =
                        ByteBuffer.wrap(JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(draft, runDirectory.resolve(FILE), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(draft);
        }
        AtomicFiles.sync(runDirectory);
    }

    /**
     * Brings all that the guest wrote to stable storage, of which QEMU sees to none: it ignores the guest's flushes
     * (see {@link QemuCommandLine}).
     */
    void syncDisks(Path runDirectory) throws IOException {
        for (String disk : disks) {
            try (FileChannel channel = FileChannel.open(runDirectory.resolve(disk), StandardOpenOption.WRITE)) {
                channel.force(true);
            }
        }
    }
}
