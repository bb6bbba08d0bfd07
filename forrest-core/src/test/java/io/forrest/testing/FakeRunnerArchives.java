package io.forrest.testing;

import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Optional;

/** Gives what a test puts there. Thread-safe. */
public final class FakeRunnerArchives implements RunnerArchives {
    private volatile Optional<RunnerArchive> newest = Optional.empty();

    /** The newest from now on, in a file below {@code directory}. */
    public RunnerArchive publish(Path directory, String version, byte[] archive) throws IOException {
        Path file = Files.write(directory.resolve("runner-" + version + ".tar.gz"), archive);
        RunnerArchive published = new RunnerArchive(version, sha256(archive), Optional.of(file));
        give(Optional.of(published));
        return published;
    }

    /** Gives this from now on. */
    public void give(Optional<RunnerArchive> archive) {
        newest = archive;
    }

    private static String sha256(byte[] archive) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(archive));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    @Override
    public void start() {}

    @Override
    public Optional<RunnerArchive> newest() {
        return newest;
    }

    @Override
    public void close() {}
}
