package io.forrest.vm.qemu;

import io.forrest.spi.Hypervisor;
import io.forrest.spi.Vm;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.HypervisorContract;
import io.forrest.testing.VdeSwitch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

@Test(groups = "qemu")
public class QemuHypervisorTest extends HypervisorContract {
    private VdeSwitch vdeSwitch;

    @BeforeClass
    public void needPrograms() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        HostNeeds.program("swtpm");
        vdeSwitch = new VdeSwitch();
    }

    @AfterClass(alwaysRun = true)
    public void closeSwitch() throws IOException {
        if (vdeSwitch != null) {
            vdeSwitch.close();
        }
    }

    @Override
    protected Hypervisor hypervisor() {
        return new QemuHypervisorFactory().create(Map.of("accelerator", "tcg"));
    }

    @Override
    protected Path vdeSwitch() {
        return vdeSwitch.directory();
    }

    @Override
    protected void writeTpmState(Path file) throws IOException {
        QemuRun.writeTpmState(file);
    }

    @Override
    protected void writeDiskThatPowersOff(Path disk) throws IOException {
        Files.write(disk, QemuProbe.bootDisk());
    }

    @Override
    protected void writeDiskThatRunsForEver(Path disk) throws IOException {
        byte[] bootable = QemuProbe.bootDisk();
        // jmp to itself
        bootable[0] = (byte) 0xEB;
        bootable[1] = (byte) 0xFE;
        Files.write(disk, bootable);
    }

    @Override
    protected void kill(Vm vm) {
        ProcessHandle.of(vm.processId().orElseThrow()).orElseThrow().destroyForcibly();
    }
}
