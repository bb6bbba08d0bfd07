package io.forrest.artifacts;

import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/**
 * A machine that may upload.
 *
 * @param stores those of the recipe that it was requested with
 * @param runToken what its guest was told, and nobody else
 * @param ledger what it has uploaded; the same for all of the machine's life
 * @param lives whether its VM does; never blocks
 */
public record Uploader(
        MachineId machine, List<ArtifactStore> stores, Secret runToken, UploadLedger ledger, BooleanSupplier lives) {
    public Uploader {
        Objects.requireNonNull(machine);
        stores = List.copyOf(stores);
        Objects.requireNonNull(runToken);
        Objects.requireNonNull(ledger);
        Objects.requireNonNull(lives);
    }
}
