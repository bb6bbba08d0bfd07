package io.forrest.spi;

import java.util.Objects;

/** A runner as the forge sees it at one time. */
public record RunnerSighting(long runnerId, String name, boolean online, boolean busy) {
    public RunnerSighting {
        Objects.requireNonNull(name);
    }
}
