package io.forrest.config;

import io.forrest.domain.DataSize;
import io.forrest.domain.RunnerSource;
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
 * @param diskReserve {@code disk_reserve}: free space that each machine must find for itself before it starts, or its
 *     type's {@code disk}, if that is less; claimed until its end, like RAM
 * @param listen where the API listens besides its Unix socket
 * @param hypervisor the name of a {@link io.forrest.spi.HypervisorFactory}
 * @param hypervisorSettings what stands below {@code host.<hypervisor>}
 * @param runner what machine types have that do not say themselves
 * @param retention how long things of the past stay
 */
public record HostConfig(
        Path baseDirectory,
        DataSize ram,
        DataSize diskReserve,
        Optional<InetSocketAddress> listen,
        String hypervisor,
        Map<String, String> hypervisorSettings,
        RunnerSource runner,
        RetentionConfig retention) {
    public static final DataSize DEFAULT_DISK_RESERVE = DataSize.ofGibibytes(5);
    public static final String DEFAULT_HYPERVISOR = "qemu";
    public static final RunnerSource DEFAULT_RUNNER = RunnerSource.TEMPLATE;

    public HostConfig {
        Objects.requireNonNull(baseDirectory);
        Objects.requireNonNull(ram);
        Objects.requireNonNull(diskReserve);
        Objects.requireNonNull(listen);
        Objects.requireNonNull(hypervisor);
        Objects.requireNonNull(runner);
        Objects.requireNonNull(retention);
        hypervisorSettings = Collections.unmodifiableMap(new TreeMap<>(hypervisorSettings));
    }
}
