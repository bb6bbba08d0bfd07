package io.forrest.artifacts;

import io.forrest.config.MachineType;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/**
 * A machine that may upload.
 *
 * @param type the recipe that it was requested with, and its stores
 * @param runToken what its guest was told, and nobody else
 * @param ledger what it has uploaded; the same for all of the machine's life
 * @param lives whether its VM does; never blocks
 */
public record Uploader(
        MachineId machine, MachineType type, Secret runToken, UploadLedger ledger, BooleanSupplier lives) {
    public Uploader {
        Objects.requireNonNull(machine);
        Objects.requireNonNull(type);
        Objects.requireNonNull(runToken);
        Objects.requireNonNull(ledger);
        Objects.requireNonNull(lives);
    }
}
