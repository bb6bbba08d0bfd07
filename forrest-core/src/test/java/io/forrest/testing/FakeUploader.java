package io.forrest.testing;

import io.forrest.artifacts.Artifacts;
import io.forrest.artifacts.UploadLedger;
import io.forrest.artifacts.Uploader;
import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * A machine that may upload, without a VM: to {@code artifact}, which is its own, and to {@code releases}, which all share and
 * which takes a token. Both have a quota of 1 MiB.
 */
public final class FakeUploader {
    public static final String EXTRA_TOKEN = "the-extra-token";
    public static final long QUOTA = 1 << 20;

    private final Path directory;
    private final MachineId machine = MachineId.random(TestConfigs.typeId("build"));
    private final Secret runToken = Secret.of("run-token-of-" + machine);
    private UploadLedger ledger;
    private volatile BooleanSupplier lives = () -> true;

    /** Works below {@code directory}. */
    public FakeUploader(Path directory) throws IOException {
        this.directory = directory;
        Files.createDirectories(runDirectory());
        ledger = new UploadLedger(runDirectory());
    }

    private Path runDirectory() {
        return directory.resolve("run").resolve(machine.runnerName());
    }

    public MachineId machine() {
        return machine;
    }

    public String runToken() {
        return runToken.reveal();
    }

    public Uploader uploader() {
        return new Uploader(
                machine,
                List.of(
                        store("artifact", "<RUNNER_NAME>", Optional.empty()),
                        store("releases", "releases", Optional.of(Secret.of(EXTRA_TOKEN)))),
                runToken,
                ledger,
                () -> lives.getAsBoolean());
    }

    private ArtifactStore store(String name, String path, Optional<Secret> token) {
        return new ArtifactStore(
                name,
                directory.resolve("stores") + "/" + path,
                "https://a.example/" + path,
                new DataSize(QUOTA),
                token);
    }

    /** Takes uploads of this machine. */
    public Artifacts artifacts() {
        return new Artifacts(() -> lives.getAsBoolean() ? List.of(uploader()) : List.of());
    }

    /** What is asked before an upload begins, and before and after its file is synced. */
    public void lives(BooleanSupplier value) {
        lives = value;
    }

    /** From here on it is what the next process finds. */
    public void nextProcess() throws IOException {
        ledger = new UploadLedger(runDirectory());
        ledger.settle();
    }

    /** Where its artifacts are. */
    public Path own() {
        return directory.resolve("stores").resolve(machine.runnerName());
    }

    public Path releases() {
        return directory.resolve("stores/releases");
    }

    /** All files of both stores, relative to what holds them. */
    public List<String> files() throws IOException {
        Path stores = directory.resolve("stores");
        if (Files.notExists(stores)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(stores)) {
            return files.filter(file -> !Files.isDirectory(file))
                    .map(file -> stores.relativize(file).toString().replace(machine.runnerName(), "own"))
                    .sorted()
                    .toList();
        }
    }
}
