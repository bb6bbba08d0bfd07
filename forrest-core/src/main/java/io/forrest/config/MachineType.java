package io.forrest.config;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A machine type: the recipe that machines are made by. A machine keeps the one it was requested with to its end.
 *
 * @param runner the type's own, or the host's
 */
public record MachineType(
        MachineTypeId id,
        Optional<MachineTypeId> baseMachine,
        Optional<Path> baseImage,
        UseBase useBase,
        SetupTemplate setupTemplate,
        RunnerSource runner,
        int cpus,
        DataSize disk,
        DataSize ram,
        List<SharedDirectory> shared,
        List<VdeInterface> networkInterfaces,
        List<ArtifactStore> artifacts) {
    public MachineType {
        Objects.requireNonNull(id);
        Objects.requireNonNull(baseMachine);
        Objects.requireNonNull(baseImage);
        Objects.requireNonNull(useBase);
        Objects.requireNonNull(setupTemplate);
        Objects.requireNonNull(runner);
        Objects.requireNonNull(disk);
        Objects.requireNonNull(ram);
        shared = List.copyOf(shared);
        networkInterfaces = List.copyOf(networkInterfaces);
        artifacts = List.copyOf(artifacts);
    }

    /**
     * Whether its machines get the runner's archive from the host: that is so with {@code runner: auto}, unless the
     * template's parameters name a runner of their own.
     */
    public boolean getsRunnerFromHost() {
        return runner == RunnerSource.AUTO
                && !setupTemplate.parameters().containsKey(SetupTemplate.RUNNER_VERSION)
                && !setupTemplate.parameters().containsKey(SetupTemplate.RUNNER_HASH);
    }

    /** Where it stands in a configuration, for messages: {@code repositories.acme.firmware.machines.build}. */
    public String configPath() {
        return "repositories." + id.repository().owner() + "." + id.repository().name() + ".machines." + id.type();
    }

    /**
     * Where the guest's configuration comes from.
     *
     * @param path a directory with {@code cloud-init/} and {@code job-config/}
     * @param parameters replaced in the files: {@code <KEY>} by the value
     */
    public record SetupTemplate(Path path, Map<String, String> parameters) {
        /** The parameter that names the runner's version. */
        public static final String RUNNER_VERSION = "RUNNER_VERSION";

        /** The parameter that has the SHA-256 of the runner's archive. */
        public static final String RUNNER_HASH = "RUNNER_HASH";

        public SetupTemplate {
            Objects.requireNonNull(path);
            parameters = Collections.unmodifiableMap(new TreeMap<>(parameters));
        }
    }

    /** A directory of the host that the guest may mount. */
    public record SharedDirectory(Path path, String tag, boolean writable) {}

    /** An extra network interface on the VDE switch at {@code path}. */
    public record VdeInterface(Path path) {}

    /** A place for artifacts; {@code <RUNNER_NAME>} in path and url stands for the machine's name. */
    public record ArtifactStore(String name, String path, String url, DataSize quota, Optional<Secret> token) {}
}
