package io.forrest.config;

import io.forrest.domain.DataSize;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * The section {@code host.retention}: how long things of the past stay.
 *
 * @param generations how many machine images each type keeps, the one in use included; at least 1
 * @param generationAge {@code generation_age}: older ones go, too
 * @param runs how long run directories of finished machines stay, with their logs
 * @param logSize {@code log_size}: how large a machine's log may grow before it begins anew; above 0
 */
public record RetentionConfig(int generations, Optional<Duration> generationAge, Duration runs, DataSize logSize) {
    public static final RetentionConfig DEFAULT =
            new RetentionConfig(5, Optional.empty(), Duration.ofDays(30), DataSize.ofMebibytes(16));

    public RetentionConfig {
        Objects.requireNonNull(generationAge);
        Objects.requireNonNull(runs);
        Objects.requireNonNull(logSize);
        if (generations < 1) {
            throw new IllegalArgumentException("the machine image in use is always kept");
        }
        if (logSize.equals(DataSize.ZERO)) {
            throw new IllegalArgumentException("a log of no size cannot be kept");
        }
    }
}
