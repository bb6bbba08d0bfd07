package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.HostNeeds;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** Disks that the guest can only read. */
@Test(groups = "qemu")
public class QemuReadOnlyDiskTest {
    private static final String CONTENT = "-".repeat(698) + "xy";

    @BeforeClass
    public void needQemu() {
        HostNeeds.program("qemu-system-x86_64");
    }

    @Test
    public void severalVmsReadAFileOfAnyLengthAndNoneCanWriteIt() throws Exception {
        Path file = Files.writeString(Files.createTempFile("archive", ".tar.gz"), CONTENT);
        VmSpec.ReadOnlyDisk archive = new VmSpec.ReadOnlyDisk("archive", file);
        try (QemuRun other = new QemuRun(QemuRun.POWER_OFF_WHEN_TOLD);
                QemuRun reader = new QemuRun(QemuRun.TRY_THE_SECOND_DISK)) {
            Vm meanwhile = other.hypervisor().start(QemuRun.spec(other.directory, other.disk(), archive));
            other.awaitGuest();
            Vm vm = reader.hypervisor().start(QemuRun.spec(reader.directory, reader.disk(), archive));
            assertThat(QemuRun.await(vm).kind()).isEqualTo(VmExit.Kind.CLEAN);
            // Whole sectors: what is after the end of the file is zero.
            assertThat(Files.readString(reader.log(), StandardCharsets.ISO_8859_1))
                    .endsWith("xy0R");
            assertThat(file).hasContent(CONTENT);
            assertThat(meanwhile.exit().toCompletableFuture()).isNotDone();
            meanwhile.stop(Duration.ZERO);
            QemuRun.await(meanwhile);
        }
    }
}
