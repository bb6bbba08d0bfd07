package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Guests whose disks cannot grow. */
@Test(groups = {"qemu", "loop"})
public class QemuFullStoreTest {
    private LoopFileSystem fileSystem;
    private Path filler;

    @BeforeMethod
    public void mount() throws IOException {
        HostNeeds.program("qemu-system-x86_64");
        fileSystem = LoopFileSystem.mount("xfs");
        filler = fileSystem.directory().resolve("filler");
    }

    @AfterMethod(alwaysRun = true)
    public void unmount() {
        if (fileSystem != null) {
            fileSystem.close();
        }
    }

    /** XFS gives back what it had laid in for a file when that is closed, and counts some blocks late. */
    private void fill() throws IOException {
        long before;
        do {
            before = Files.exists(filler) ? Files.size(filler) : -1;
            try (FileOutputStream out = new FileOutputStream(filler.toFile(), true)) {
                for (int size = 1 << 24; size >= 512; size /= 2) {
                    fill(out, new byte[size]);
                }
            }
        } while (Files.size(filler) > before);
    }

    private static void fill(FileOutputStream out, byte[] block) {
        try {
            while (true) {
                out.write(block);
                out.getFD().sync();
            }
        } catch (IOException full) {
            assertThat(full).hasMessageContaining("No space");
        }
    }

    @Test(timeOut = 120_000)
    public void aGuestThatFindsNoSpaceIsPausedAndGoesOnWhenThereIsSomeAndEndsClean() throws Exception {
        try (QemuRun run = new QemuRun(fileSystem.directory(), QemuRun.WRITE_WHEN_TOLD)) {
            try (RandomAccessFile disk = new RandomAccessFile(run.disk().toFile(), "rw")) {
                disk.setLength(16 << 20);
            }
            QemuHypervisor first = run.hypervisor();
            run.start(first);
            first.close();
            fill();
            run.tell();
            try (QmpClient qmp = run.monitor()) {
                String state = qmp.runState();
                while (state.equals("running")) {
                    qmp.awaitEvent();
                    state = qmp.runState();
                }
                assertThat(state).as("what its guest wrote found space").isEqualTo("io-error");
            }
            Vm vm = run.find();
            // Whoever tells it to go on before there is space has it paused again.
            QemuRun.eventually(
                    "it is there", () -> !vm.exit().toCompletableFuture().isDone());
            Files.delete(filler);
            assertThat(QemuRun.await(vm).kind()).isEqualTo(VmExit.Kind.CLEAN);
            try (RandomAccessFile disk = new RandomAccessFile(run.disk().toFile(), "r")) {
                byte[] written = new byte[512];
                disk.seek(1008 * 512);
                disk.readFully(written);
                assertThat(written).startsWith(0xBA, 0xF8, 0x03);
            }
        }
    }
}
