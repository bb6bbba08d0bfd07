package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import io.forrest.spi.ImageStore;
import io.forrest.testing.ImageStoreContract;
import io.forrest.testing.LoopFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

@Test(groups = "loop")
public class ReflinkBtrfsImageStoreTest extends ImageStoreContract {
    private LoopFileSystem fileSystem;

    @BeforeClass
    public void mount() {
        fileSystem = LoopFileSystem.mount("btrfs");
    }

    @AfterClass(alwaysRun = true)
    public void unmount() {
        if (fileSystem != null) {
            fileSystem.close();
        }
    }

    @Override
    protected Path directory() {
        return fileSystem.directory();
    }

    @Override
    protected ImageStore store(Path baseDirectory) {
        return new ReflinkImageStore(baseDirectory);
    }

    @Override
    protected void putTpmState(ImageStore store, Path baseDirectory, MachineTypeId type, byte[] state)
            throws IOException {
        Path file = baseDirectory.resolve("machines/" + type + ".swtpm");
        Files.createDirectories(file.getParent());
        Files.write(file, state);
    }
}
