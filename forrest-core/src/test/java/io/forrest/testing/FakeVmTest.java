package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.Test;

public class FakeVmTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static VmSpec spec(FakeGuest.Program program) throws IOException {
        MachineId machine = MachineId.random(TestConfigs.typeId("build"));
        Path directory = Files.createTempDirectory("vm");
        program.write(directory.resolve("disk.img"));
        return new VmSpec(
                machine,
                directory,
                1,
                DataSize.parse("64M"),
                List.of(directory.resolve("disk.img")),
                List.of(),
                directory.resolve("log.txt"),
                Optional.empty(),
                List.of(),
                List.of(),
                Optional.empty());
    }

    private static VmExit.Kind await(Vm vm) throws Exception {
        return vm.exit()
                .toCompletableFuture()
                .get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)
                .kind();
    }

    @Test
    public void aTestCanPowerItOffAndCrashIt() throws Exception {
        FakeHypervisor hypervisor = new FakeHypervisor();
        Vm off = hypervisor.start(spec(FakeGuest.Program.RUN_FOR_EVER));
        Vm crashed = hypervisor.start(spec(FakeGuest.Program.RUN_FOR_EVER));
        FakeVm first = hypervisor.nextVm(PATIENCE);
        assertThat(first).isSameAs(off);
        assertThat(hypervisor.running()).containsExactly(first, (FakeVm) crashed);
        first.powerOff();
        first.crash();
        hypervisor.nextVm(PATIENCE).crash();
        assertThat(await(off)).isEqualTo(VmExit.Kind.CLEAN);
        assertThat(await(crashed)).isEqualTo(VmExit.Kind.FAILED);
        assertThat(hypervisor.running()).isEmpty();
    }

    @Test
    public void aGuestThatThrowsHasCrashed() throws Exception {
        assertThat(await(new FakeHypervisor().start(spec(FakeGuest.Program.CRASH))))
                .isEqualTo(VmExit.Kind.FAILED);
    }

    @Test
    public void aGuestThatHeedsItsPowerButtonWasStoppedAllTheSame() throws Exception {
        Vm vm = new FakeHypervisor(FakeVm::awaitPowerButton).start(spec(FakeGuest.Program.POWER_OFF));
        vm.stop(Duration.ofHours(1));
        assertThat(await(vm)).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void aVmIsGoneOnlyWhenItsGuestWritesNothingAnyMore() throws Exception {
        CountDownLatch interrupted = new CountDownLatch(1);
        CountDownLatch lastWrites = new CountDownLatch(1);
        Vm vm = new FakeHypervisor(guest -> {
                    try {
                        guest.runForEver();
                    } finally {
                        interrupted.countDown();
                        lastWrites.await();
                    }
                })
                .start(spec(FakeGuest.Program.POWER_OFF));
        vm.stop(Duration.ZERO);
        assertThat(interrupted.await(PATIENCE.toMillis(), TimeUnit.MILLISECONDS))
                .isTrue();
        assertThat(vm.exit().toCompletableFuture()).isNotDone();
        lastWrites.countDown();
        assertThat(await(vm)).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void hooksFailTheCallsTheyAreMeantForAndNoOthers() throws Exception {
        FakeHypervisor hypervisor = new FakeHypervisor();
        hypervisor.hooks().failNext(FakeHypervisor.Call.START, PluginException.Kind.BROKEN);
        VmSpec spec = spec(FakeGuest.Program.POWER_OFF);
        assertThat(hypervisor.find(spec.runDirectory())).isEmpty();
        assertThatThrownBy(() -> hypervisor.start(spec))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN));
        assertThat(hypervisor.running()).isEmpty();
        assertThat(await(hypervisor.start(spec))).isEqualTo(VmExit.Kind.CLEAN);
    }
}
