package io.forrest.spi;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * The disk a new machine needs.
 *
 * @param baseMachine the machine type whose machine image is the base; wins over {@code baseImage}
 * @param baseImage a raw image that is the base
 * @param size the disk is grown to this, never shrunk
 */
public record DiskRequest(
        MachineTypeId type,
        Optional<MachineTypeId> baseMachine,
        Optional<Path> baseImage,
        UseBase useBase,
        DataSize size) {
    public DiskRequest {
        Objects.requireNonNull(type);
        Objects.requireNonNull(baseMachine);
        Objects.requireNonNull(baseImage);
        Objects.requireNonNull(useBase);
        Objects.requireNonNull(size);
    }
}
