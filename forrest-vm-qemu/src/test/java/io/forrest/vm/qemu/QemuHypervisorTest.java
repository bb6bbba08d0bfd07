package io.forrest.vm.qemu;

import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.Vm;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.HypervisorContract;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

@Test(groups = "qemu")
public class QemuHypervisorTest extends HypervisorContract {
    @BeforeClass
    public void needQemu() {
        HostNeeds.program("qemu-system-x86_64");
    }

    @Override
    protected Hypervisor hypervisor() {
        return new QemuHypervisorFactory().create(Map.of("accelerator", "tcg"));
    }

    @Override
    protected Set<HypervisorCapability> unsupported() {
        return EnumSet.of(
                HypervisorCapability.EXTRA_NETWORK_INTERFACES,
                HypervisorCapability.SHARED_DIRECTORIES,
                HypervisorCapability.TPM);
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
