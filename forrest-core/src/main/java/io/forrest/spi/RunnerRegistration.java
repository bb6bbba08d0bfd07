package io.forrest.spi;

import io.forrest.domain.Secret;
import java.util.Objects;

/**
 * A registered runner.
 *
 * @param jitConfig what the guest's runner is started with, as the forge encodes it
 */
public record RunnerRegistration(long runnerId, Secret jitConfig) {
    public RunnerRegistration {
        Objects.requireNonNull(jitConfig);
    }
}
