package io.forrest.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.PluginException;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.TestConfigs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

@Test(groups = "loop")
public class ReflinkTest {
    @DataProvider
    public Object[][] fileSystemsThatClone() {
        return new Object[][] {{"xfs"}, {"btrfs"}};
    }

    @Test(dataProvider = "fileSystemsThatClone")
    public void aCloneSharesItsBlocks(String type) throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount(type)) {
            Path source = fileSystem.directory().resolve("source");
            byte[] content = new byte[64 << 20];
            new Random(1).nextBytes(content);
            Files.write(source, content);
            long before = Files.getFileStore(source).getUsableSpace();
            for (int i = 0; i < 10; i++) {
                new FileCloner().clone(source, fileSystem.directory().resolve("copy" + i));
            }
            long used = before - Files.getFileStore(source).getUsableSpace();
            assertThat(used).isLessThan(content.length);
            assertThat(Files.mismatch(source, fileSystem.directory().resolve("copy9")))
                    .isEqualTo(-1);
        }
    }

    @Test
    public void aFileSystemThatCannotCloneIsNamedWithTheWaysOut() {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("ext4")) {
            assertThat(new ReflinkImageStore(fileSystem.directory()).checkHost())
                    .singleElement()
                    .extracting(HostProblem::toString)
                    .asString()
                    .contains(fileSystem.directory().toString(), "ext", "cannot clone", "Btrfs", "XFS", "mkfs.xfs");
            assertThat(fileSystem.directory()).isDirectoryNotContaining("glob:**/.reflink*");
        }
    }

    @Test
    public void aBaseImageOnAnotherFileSystemIsRefusedByName() throws Exception {
        try (LoopFileSystem store = LoopFileSystem.mount("xfs");
                LoopFileSystem elsewhere = LoopFileSystem.mount("xfs")) {
            Path image = elsewhere.directory().resolve("debian.raw");
            Files.write(image, new byte[4096]);
            Path disk = store.directory().resolve("disk.img");
            assertThatThrownBy(() -> new ReflinkImageStore(store.directory())
                            .createDisk(
                                    new DiskRequest(
                                            TestConfigs.typeId("build"),
                                            Optional.empty(),
                                            Optional.of(image),
                                            UseBase.IF_NEWER,
                                            DataSize.parse("1M")),
                                    disk))
                    .isInstanceOfSatisfying(
                            PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED))
                    .hasMessageContaining(image.toString())
                    .hasMessageContaining("another file system");
            assertThat(disk).doesNotExist();
        }
    }
}
