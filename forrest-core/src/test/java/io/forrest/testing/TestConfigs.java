package io.forrest.testing;

import io.forrest.config.ForrestConfig;
import io.forrest.config.GitHubConfig;
import io.forrest.config.HostConfig;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.config.RetentionConfig;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import java.net.URI;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Configurations for tests, built in code. */
public final class TestConfigs {
    public static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    public static final Secret PERSISTENCE_TOKEN = Secret.of("persist-me-please");

    private TestConfigs() {}

    public static MachineTypeId typeId(String name) {
        return new MachineTypeId(REPOSITORY, name);
    }

    /** A small machine type without a base. */
    public static MachineType type(String name, String ram) {
        return type(name, ram, Optional.empty(), Optional.empty(), Path.of("/nonexistent"));
    }

    public static MachineType type(
            String name,
            String ram,
            Optional<MachineTypeId> baseMachine,
            Optional<Path> baseImage,
            Path setupTemplate) {
        return new MachineType(
                typeId(name),
                baseMachine,
                baseImage,
                UseBase.IF_NEWER,
                new MachineType.SetupTemplate(setupTemplate, Map.of()),
                HostConfig.DEFAULT_RUNNER,
                1,
                DataSize.parse("1M"),
                DataSize.parse(ram),
                List.of(),
                List.of(),
                List.of());
    }

    /** The same machine type with these directories and interfaces. */
    public static MachineType withDevices(
            MachineType type, List<MachineType.SharedDirectory> shared, List<MachineType.VdeInterface> interfaces) {
        return with(type, type.runner(), shared, interfaces);
    }

    /** The same machine type, whose runner comes from the host. */
    public static MachineType withRunnerFromHost(MachineType type) {
        return with(type, RunnerSource.AUTO, type.shared(), type.networkInterfaces());
    }

    private static MachineType with(
            MachineType type,
            RunnerSource runner,
            List<MachineType.SharedDirectory> shared,
            List<MachineType.VdeInterface> interfaces) {
        return new MachineType(
                type.id(),
                type.baseMachine(),
                type.baseImage(),
                type.useBase(),
                type.setupTemplate(),
                runner,
                type.cpus(),
                type.disk(),
                type.ram(),
                shared,
                interfaces,
                type.artifacts());
    }

    /** One repository with these machine types, and a persistence token. */
    public static ForrestConfig config(Path baseDirectory, String hostRam, MachineType... types) {
        Map<String, MachineType> machines = new HashMap<>();
        for (MachineType type : types) {
            machines.put(type.id().type(), type);
        }
        return new ForrestConfig(
                new HostConfig(
                        baseDirectory,
                        DataSize.parse(hostRam),
                        HostConfig.DEFAULT_DISK_RESERVE,
                        Optional.empty(),
                        "fake",
                        Map.of(),
                        HostConfig.DEFAULT_RUNNER,
                        RetentionConfig.DEFAULT),
                new GitHubConfig(
                        "1",
                        Path.of("/nonexistent/key.pem"),
                        Secret.of("webhook"),
                        GitHubConfig.DEFAULT_POLLING_INTERVAL,
                        URI.create("http://127.0.0.1:1")),
                Map.of(REPOSITORY, new RepositoryConfig(Optional.of(PERSISTENCE_TOKEN), machines)));
    }
}
