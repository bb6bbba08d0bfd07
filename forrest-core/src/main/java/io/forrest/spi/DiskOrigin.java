package io.forrest.spi;

import java.nio.file.Path;
import java.util.Objects;

/**
 * What a machine's disk was cloned from.
 *
 * @param image the file or other place, for people
 * @param ownImage whether it was the type's own machine image, as opposed to its base
 */
public record DiskOrigin(Path image, boolean ownImage) {
    public DiskOrigin {
        Objects.requireNonNull(image);
    }
}
