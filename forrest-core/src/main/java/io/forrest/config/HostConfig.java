package io.forrest.config;

import io.forrest.domain.DataSize;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The section {@code host}.
 *
 * @param baseDirectory {@code base_dir}: images, runs and the API socket
 * @param ram what may be handed out to machines
 * @param listen where the API listens besides its Unix socket
 * @param hypervisor the name of a {@link io.forrest.spi.HypervisorFactory}
 * @param hypervisorSettings what stands below {@code host.<hypervisor>}
 */
public record HostConfig(
        Path baseDirectory,
        DataSize ram,
        Optional<InetSocketAddress> listen,
        String hypervisor,
        Map<String, String> hypervisorSettings) {
    public static final String DEFAULT_HYPERVISOR = "qemu";

    public HostConfig {
        Objects.requireNonNull(baseDirectory);
        Objects.requireNonNull(ram);
        Objects.requireNonNull(listen);
        Objects.requireNonNull(hypervisor);
        hypervisorSettings = Collections.unmodifiableMap(new TreeMap<>(hypervisorSettings));
    }
}
