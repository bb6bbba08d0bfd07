package io.forrest.artifacts;

import io.forrest.domain.Secret;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What somebody wants to upload.
 *
 * @param runToken says which machine it is
 * @param extraToken for stores that take one; others ignore it
 * @param store the store's name
 * @param length in bytes, if it is known beforehand
 */
public record ArtifactRequest(
        Secret runToken, Optional<Secret> extraToken, String store, ArtifactPath path, OptionalLong length) {
    public ArtifactRequest {
        Objects.requireNonNull(runToken);
        Objects.requireNonNull(extraToken);
        Objects.requireNonNull(store);
        Objects.requireNonNull(path);
        Objects.requireNonNull(length);
    }
}
