package io.forrest.spi;

import io.forrest.domain.DataSize;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * Which generations of machine images are kept. Whatever it says, the machine image itself, pinned generations and those
 * that machines are running on stay.
 *
 * @param generations how many of each machine type, the machine image included; at least 1
 * @param age older ones go, too
 * @param freeSpace while less than this is free, the oldest go first, of whatever type
 */
public record Retention(int generations, Optional<Duration> age, DataSize freeSpace) {
    public Retention {
        Objects.requireNonNull(age);
        Objects.requireNonNull(freeSpace);
        if (generations < 1) {
            throw new IllegalArgumentException("the machine image itself is always kept");
        }
    }
}
