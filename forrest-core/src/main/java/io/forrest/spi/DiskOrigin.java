package io.forrest.spi;

import java.nio.file.Path;
import java.util.Objects;

/**
 * What a machine's disk was cloned from.
 *
 * @param image the file or other place, for people
 * @param ownImage whether it was the type's own machine image, as opposed to its base
 * @param version the store's word for what was there then, as opposed to what was or will be there at other times; two
 *     disks with the same version had the same content
 */
public record DiskOrigin(Path image, boolean ownImage, String version) {
    public DiskOrigin {
        Objects.requireNonNull(image);
        Objects.requireNonNull(version);
    }
}
