package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Disks of one machine type, told apart by what they begin with. */
final class Disks {
    static final MachineTypeId TYPE = TestConfigs.typeId("build");
    static final Instant ENDED = Instant.parse("2026-01-01T00:00:00Z");
    private static final int LENGTH = 1 << 16;

    private final Path base;
    private int count;

    /** {@code base} is the store's base directory. */
    Disks(Path base) {
        this.base = base;
    }

    Path newPath() {
        return base.resolve("disk" + count++ + ".img");
    }

    /** A disk that nothing else has on stable storage yet. */
    Path make(String content) throws IOException {
        return Files.writeString(newPath(), content.repeat(LENGTH / content.length()));
    }

    Path image() {
        return base.resolve("machines/acme/firmware/build.img");
    }

    Path generation(int number) {
        return base.resolve("machines/acme/firmware/build.generations/" + number + ".img");
    }

    Path record(int number) {
        return base.resolve("machines/acme/firmware/build.generations/" + number + ".json");
    }

    static String first(Path image) throws IOException {
        return new String(Files.readAllBytes(image), StandardCharsets.UTF_8).substring(0, 1);
    }

    static Provenance by(MachineId machine) {
        return new Provenance(machine, Optional.empty(), Optional.empty(), ENDED);
    }

    static Provenance withJob(DiskOrigin origin) {
        MachineId machine = MachineId.random(TYPE);
        JobObservation job = new JobObservation(
                new JobId(42),
                7,
                TYPE.repository(),
                List.of(),
                JobStatus.IN_PROGRESS,
                Optional.of(machine.runnerName()),
                Optional.of("0123abcd"),
                ENDED,
                "poll");
        return new Provenance(machine, Optional.of(job), Optional.of(origin), ENDED);
    }

    void promote(ImageStore store, String content) throws IOException, PluginException {
        store.promote(TYPE, make(content), by(MachineId.random(TYPE)));
    }

    /** Makes a disk of the machine image, or of {@code baseImage}. */
    static DiskOrigin create(ImageStore store, Path disk, Optional<Path> baseImage) throws PluginException {
        return store.createDisk(
                new DiskRequest(TYPE, Optional.empty(), baseImage, UseBase.IF_NEWER, DataSize.ZERO), disk);
    }

    DiskOrigin origin(ImageStore store) throws PluginException {
        return create(store, newPath(), Optional.empty());
    }

    /** What a disk that is made now begins with. */
    String next(ImageStore store) throws IOException, PluginException {
        Path disk = newPath();
        create(store, disk, Optional.empty());
        return first(disk);
    }
}
