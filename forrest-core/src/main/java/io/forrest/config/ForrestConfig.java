package io.forrest.config;

import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/** The whole configuration, checked: what it refers to within itself exists. Immutable. */
public record ForrestConfig(HostConfig host, GitHubConfig github, Map<RepositoryId, RepositoryConfig> repositories) {
    public ForrestConfig {
        Objects.requireNonNull(host);
        Objects.requireNonNull(github);
        repositories = Collections.unmodifiableMap(new TreeMap<>(repositories));
    }

    public Optional<MachineType> machineType(MachineTypeId id) {
        return Optional.ofNullable(repositories.get(id.repository()))
                .map(repository -> repository.machines().get(id.type()));
    }
}
