package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineState;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.VmSpec;
import io.forrest.testing.FakeVm;
import io.forrest.testing.Gate;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What machines have beyond their disks: TPMs, extra network interfaces, shared directories. */
public class ForrestDevicesTest {
    private ForrestRig rig;
    private MachineType build;
    private Gate job;

    @BeforeMethod
    public void setUp() throws IOException {
        rig = new ForrestRig();
        build = TestConfigs.withDevices(
                rig.type("build", "4G"),
                List.of(
                        new MachineType.SharedDirectory(Path.of("/srv/git"), "shared-git", false),
                        new MachineType.SharedDirectory(Path.of("/srv/cache"), "cache", true)),
                List.of(
                        new MachineType.VdeInterface(Path.of("/run/vde-a")),
                        new MachineType.VdeInterface(Path.of("/run/vde-b"))));
        rig.configure("8G", build);
        job = new Gate();
        rig.script = (vm, id) -> job.pass();
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        job.open();
        rig.close();
    }

    private FakeVm machineAtWork() throws Exception {
        rig.queue(build);
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.RUNNING);
        return vm;
    }

    private static List<MacAddress> macs(FakeVm vm) {
        return vm.spec().networkInterfaces().stream()
                .map(VmSpec.NetworkInterface::mac)
                .toList();
    }

    private void awaitEnd(FakeVm vm) throws InterruptedException {
        rig.told.await(vm.spec().machine(), MachineState.STOPPED);
    }

    @Test
    public void aVmGetsTheDevicesOfItsTypeInTheirOrder() throws Exception {
        rig.start();
        VmSpec spec = machineAtWork().spec();
        assertThat(spec.sharedDirectories())
                .containsExactly(
                        new VmSpec.SharedDirectory(Path.of("/srv/git"), "shared-git", false),
                        new VmSpec.SharedDirectory(Path.of("/srv/cache"), "cache", true));
        assertThat(spec.networkInterfaces())
                .extracting(VmSpec.NetworkInterface::vdeSwitch)
                .containsExactly(Path.of("/run/vde-a"), Path.of("/run/vde-b"));
        assertThat(spec.tpmState()).isEmpty();
    }

    // ---- the TPM

    @Test
    public void aMachineHasATpmIfItsTypeHasAStateOfOneWhichNeverChanges() throws Exception {
        byte[] state = {1, 2, 3};
        rig.images.putTpmState(build.id(), state);
        rig.script = (vm, id) -> {
            Path copy = vm.spec().tpmState().orElseThrow();
            assertThat(copy).hasBinaryContent(state);
            Files.write(copy, new byte[] {4});
            ForrestRig.persist(vm);
        };
        rig.start();
        for (int i = 0; i < 2; i++) {
            rig.queue(build);
            FakeVm vm = rig.nextVm();
            MachineId machine = vm.spec().machine();
            assertThat(vm.spec().tpmState()).contains(rig.runDirectory(machine).resolve("tpm.swtpm"));
            assertThat(rig.told
                            .await(machine, MachineState.STOPPED)
                            .outcome()
                            .orElseThrow()
                            .disk())
                    .as("the job found the state, both times")
                    .isEqualTo(MachineOutcome.Disk.PROMOTED);
            rig.assertNothingLeftOf(machine);
        }
    }

    // ---- hardware addresses

    @Test
    public void hardwareAddressesAreUsedAgainWhenTheirMachineIsGone() throws Exception {
        rig.start();
        FakeVm first = machineAtWork();
        FakeVm second = machineAtWork();
        assertThat(macs(first)).hasSize(2).doesNotHaveDuplicates().doesNotContainAnyElementsOf(macs(second));
        job.open();
        awaitEnd(first);
        awaitEnd(second);
        FakeVm third = machineAtWork();
        FakeVm fourth = machineAtWork();
        assertThat(concat(macs(third), macs(fourth))).isSubsetOf(concat(macs(first), macs(second)));
    }

    @Test
    public void theAddressesOfAMachineThatGoesOnAreLentToNobodyElse() throws Exception {
        FakeVm goesOn = machineThatGoesOn();
        assertThat(macs(machineAtWork())).doesNotContainAnyElementsOf(macs(goesOn));
    }

    @Test
    public void theAddressesOfAMachineThatWentOnAreUsedAgain() throws Exception {
        FakeVm wentOn = machineThatGoesOn();
        job.open();
        awaitEnd(wentOn);
        assertThat(macs(machineAtWork())).isEqualTo(macs(wentOn));
    }

    /** Under the next Forrest. */
    private FakeVm machineThatGoesOn() throws Exception {
        Forrest first = rig.start();
        FakeVm goesOn = machineAtWork();
        first.close();
        rig.nextProcess();
        rig.start();
        return goesOn;
    }

    // ---- the check

    @Test
    public void whatTheHostLacksForTheDevicesOfATypeIsSaidAtTheStart() throws Exception {
        rig.images.putTpmState(build.id(), new byte[] {1});
        rig.hypervisor.capabilities(EnumSet.of(HypervisorCapability.ADOPTION));
        Forrest forrest = rig.start();
        assertThat(forrest.checkMachineTypes())
                .extracting(Object::toString)
                .hasSize(3)
                .allSatisfy(problem -> assertThat(problem)
                        .contains("repositories.acme.firmware.machines.build", "host.hypervisor", "cannot do"))
                .anySatisfy(problem -> assertThat(problem).contains("TPM"))
                .anySatisfy(problem -> assertThat(problem).contains("shared"))
                .anySatisfy(problem -> assertThat(problem).contains("network_interfaces"));
    }

    private static List<MacAddress> concat(List<MacAddress> one, List<MacAddress> other) {
        List<MacAddress> both = new ArrayList<>(one);
        both.addAll(other);
        return both;
    }
}
