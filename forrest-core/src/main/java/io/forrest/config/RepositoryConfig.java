package io.forrest.config;

import io.forrest.domain.Secret;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * One repository.
 *
 * @param persistenceToken what a job must leave so that its disk is kept; empty: none ever is
 * @param machines by the name of the machine type
 */
public record RepositoryConfig(Optional<Secret> persistenceToken, Map<String, MachineType> machines) {
    public RepositoryConfig {
        Objects.requireNonNull(persistenceToken);
        machines = Collections.unmodifiableMap(new TreeMap<>(machines));
    }

    /** GitHub ignores case in labels, so the machine type a label names is found whatever its case. */
    public Optional<MachineType> machine(String type) {
        return Optional.ofNullable(machines.get(type)).or(() -> machines.values().stream()
                .filter(machine -> machine.id().type().equalsIgnoreCase(type))
                .findFirst());
    }
}
