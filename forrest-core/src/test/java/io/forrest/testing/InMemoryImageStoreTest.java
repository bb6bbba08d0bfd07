package io.forrest.testing;

import io.forrest.domain.MachineTypeId;
import io.forrest.spi.ImageStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

public class InMemoryImageStoreTest extends ImageStoreContract {
    private final Path directory = newDirectory();

    private static Path newDirectory() {
        try {
            return Files.createTempDirectory("images");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    protected Path directory() {
        return directory;
    }

    @Override
    protected ImageStore store(Path baseDirectory) {
        return new InMemoryImageStore();
    }

    @Override
    protected void putTpmState(ImageStore store, Path baseDirectory, MachineTypeId type, byte[] state) {
        ((InMemoryImageStore) store).putTpmState(type, state);
    }
}
