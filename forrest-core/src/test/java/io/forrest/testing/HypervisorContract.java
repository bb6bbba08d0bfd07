package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What every {@link Hypervisor} does. Extend it, and say how guests of two kinds look on a disk. */
public abstract class HypervisorContract {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private Hypervisor hypervisor;
    private Path runDirectory;
    private MachineId machine;

    /** A new one; it is closed after each test. */
    protected abstract Hypervisor hypervisor();

    /** Writes a disk whose guest says something on its first serial port and powers off at once. */
    protected abstract void writeDiskThatPowersOff(Path disk) throws IOException;

    /** Writes a disk whose guest runs for ever, deaf to the power button. */
    protected abstract void writeDiskThatRunsForEver(Path disk) throws IOException;

    /** What it cannot do; everything else is tested. */
    protected Set<HypervisorCapability> unsupported() {
        return EnumSet.noneOf(HypervisorCapability.class);
    }

    @BeforeMethod
    public void prepare() throws IOException {
        hypervisor = hypervisor();
        machine = MachineId.random(TestConfigs.typeId("build"));
        runDirectory = Files.createDirectories(Files.createTempDirectory("hypervisor")
                .resolve("a-directory-with-a-name-that-is-much-too-long-for-the-address-of-a-unix-domain-socket")
                .resolve(machine.runnerName()));
    }

    @AfterMethod(alwaysRun = true)
    public void closeHypervisor() throws PluginException {
        Hypervisor broom = hypervisor();
        broom.find(runDirectory).ifPresent(vm -> vm.stop(Duration.ZERO));
        broom.close();
        hypervisor.close();
    }

    private Path disk() {
        return runDirectory.resolve("disk.img");
    }

    private VmSpec spec() {
        return new VmSpec(
                machine,
                runDirectory,
                1,
                DataSize.parse("64M"),
                List.of(disk()),
                runDirectory.resolve("log.txt"),
                unsupported().contains(HypervisorCapability.SHELL_SOCKET)
                        ? Optional.empty()
                        : Optional.of(runDirectory.resolve("shell.sock")),
                List.of(),
                List.of(),
                Optional.empty());
    }

    private static VmExit await(Vm vm) throws Exception {
        return vm.exit().toCompletableFuture().get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Test
    public void aSoundHostHasNoProblems() {
        assertThat(hypervisor.checkHost()).isEmpty();
    }

    @Test
    public void itClaimsWhatItCanDoAndNothingElse() {
        EnumSet<HypervisorCapability> all = EnumSet.allOf(HypervisorCapability.class);
        all.removeAll(unsupported());
        assertThat(hypervisor.capabilities()).isEqualTo(all);
    }

    @Test
    public void aGuestThatPowersItselfOffEndsCleanAndItsWordsAreInTheLog() throws Exception {
        writeDiskThatPowersOff(disk());
        Vm vm = hypervisor.start(spec());
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.CLEAN);
        assertThat(runDirectory.resolve("log.txt")).isNotEmptyFile();
        assertThat(hypervisor.find(runDirectory)).isEmpty();
    }

    @Test
    public void aVmThatIsStoppedWithoutGraceEndsStopped() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm vm = hypervisor.start(spec());
        vm.stop(Duration.ZERO);
        vm.stop(Duration.ZERO);
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void aDeafGuestIsEndedWhenItsGraceIsOver() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm vm = hypervisor.start(spec());
        vm.stop(Duration.ofMillis(300));
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void aSecondStopCanShortenTheGrace() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm vm = hypervisor.start(spec());
        vm.stop(Duration.ofHours(1));
        vm.stop(Duration.ZERO);
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void stoppingAVmThatIsGoneDoesNothing() throws Exception {
        writeDiskThatPowersOff(disk());
        Vm vm = hypervisor.start(spec());
        await(vm);
        vm.stop(Duration.ZERO);
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.CLEAN);
    }

    @Test
    public void anEmptyRunDirectoryHasNoVm() throws Exception {
        assertThat(hypervisor.find(runDirectory)).isEmpty();
    }

    @Test
    public void aVmOutlivesItsHypervisorAndIsFoundByTheNextOne() throws Exception {
        if (unsupported().contains(HypervisorCapability.ADOPTION)) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        hypervisor.start(spec());
        Vm found = findWithin(PATIENCE);
        hypervisor.close();
        try (Hypervisor next = hypervisor()) {
            Vm adopted = next.find(runDirectory).orElseThrow();
            assertThat(adopted.processId()).isEqualTo(found.processId());
            adopted.stop(Duration.ZERO);
            assertThat(await(adopted).kind()).isEqualTo(VmExit.Kind.STOPPED);
            assertThat(next.find(runDirectory)).isEmpty();
        }
    }

    /** A VM may take a moment until it can be found. */
    private Vm findWithin(Duration limit) throws Exception {
        long deadlineNanos = System.nanoTime() + limit.toNanos();
        while (System.nanoTime() < deadlineNanos) {
            Optional<Vm> found = hypervisor.find(runDirectory);
            if (found.isPresent()) {
                return found.get();
            }
            Thread.onSpinWait();
        }
        throw new AssertionError("The VM was not found within " + limit);
    }

    private Object[][] specsThatNeedSomething() {
        VmSpec plain = spec();
        return new Object[][] {
            {
                HypervisorCapability.EXTRA_NETWORK_INTERFACES,
                new VmSpec(
                        plain.machine(),
                        plain.runDirectory(),
                        1,
                        plain.ram(),
                        plain.disks(),
                        plain.serialLog(),
                        Optional.empty(),
                        List.of(new VmSpec.NetworkInterface(runDirectory, MacAddress.fromRandom(1))),
                        List.of(),
                        Optional.empty())
            },
            {
                HypervisorCapability.SHARED_DIRECTORIES,
                new VmSpec(
                        plain.machine(),
                        plain.runDirectory(),
                        1,
                        plain.ram(),
                        plain.disks(),
                        plain.serialLog(),
                        Optional.empty(),
                        List.of(),
                        List.of(new VmSpec.SharedDirectory(runDirectory, "tag", false)),
                        Optional.empty())
            },
            {
                HypervisorCapability.TPM,
                new VmSpec(
                        plain.machine(),
                        plain.runDirectory(),
                        1,
                        plain.ram(),
                        plain.disks(),
                        plain.serialLog(),
                        Optional.empty(),
                        List.of(),
                        List.of(),
                        Optional.of(runDirectory.resolve("tpm")))
            }
        };
    }

    @Test
    public void whatItCannotDoIsRefusedAndNeverIgnored() throws Exception {
        writeDiskThatRunsForEver(disk());
        for (Object[] row : specsThatNeedSomething()) {
            if (unsupported().contains(row[0])) {
                assertThatThrownBy(() -> hypervisor.start((VmSpec) row[1]))
                        .as("%s", row[0])
                        .isInstanceOfSatisfying(PluginException.class, e -> assertThat(e.kind())
                                .isEqualTo(PluginException.Kind.REJECTED));
            }
        }
        assertThat(hypervisor.find(runDirectory)).isEmpty();
    }

    @Test
    public void closingTwiceIsHarmless() {
        hypervisor.close();
        hypervisor.close();
    }
}
