package io.forrest.testing;

import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.Vm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;

/** What it is told to lack it refuses. */
public class FakeHypervisorWithoutExtrasTest extends HypervisorContract {
    private final FakeHypervisor firstProcess = new FakeHypervisor();

    @Override
    protected Hypervisor hypervisor() {
        FakeHypervisor next = firstProcess.ofNextProcess();
        next.capabilities(EnumSet.noneOf(HypervisorCapability.class));
        return next;
    }

    @Override
    protected Set<HypervisorCapability> unsupported() {
        return EnumSet.allOf(HypervisorCapability.class);
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
}
