package io.forrest.testing;

import io.forrest.spi.Hypervisor;
import io.forrest.spi.Vm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

public class FakeHypervisorTest extends HypervisorContract {
    private final FakeHypervisor firstProcess = new FakeHypervisor();

    @Override
    protected Hypervisor hypervisor() {
        return firstProcess.ofNextProcess();
    }

    @Override
    protected void writeDiskThatPowersOff(Path disk) throws IOException {
        FakeGuest.Program.POWER_OFF.write(disk);
    }

    @Override
    protected void writeDiskThatRunsForEver(Path disk) throws IOException {
        FakeGuest.Program.RUN_FOR_EVER.write(disk);
    }

    @Override
    protected void kill(Vm vm) {
        ((FakeVm) vm).crash();
    }

    @Override
    protected Path vdeSwitch() {
        return Path.of("/run/vde");
    }

    @Override
    protected void writeTpmState(Path file) throws IOException {
        Files.writeString(file, "a secret");
    }
}
