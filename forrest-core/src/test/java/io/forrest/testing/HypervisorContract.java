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
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
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

    /** Has the VM's process die without this hypervisor's knowledge, e.g. by a signal. */
    protected abstract void kill(Vm vm) throws Exception;

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
                List.of(),
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
    }

    @Test
    public void whatItsGuestPrintsComesAtTheEndOfItsLog() throws Exception {
        writeDiskThatPowersOff(disk());
        Path log = Files.writeString(runDirectory.resolve("log.txt"), "What was there before.\n");
        await(hypervisor.start(spec()));
        assertThat(Files.readString(log, StandardCharsets.ISO_8859_1))
                .startsWith("What was there before.\n")
                .hasSizeGreaterThan("What was there before.\n".length());
    }

    @Test
    public void aRunDirectoryTakesNoSecondVmWhileOneRunsThere() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm first = hypervisor.start(spec());
        assertThatThrownBy(() -> hypervisor.start(spec()))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN));
        assertThat(first.exit().toCompletableFuture()).isNotDone();
        first.stop(Duration.ZERO);
        await(first);
        writeDiskThatPowersOff(disk());
        assertThat(await(hypervisor.start(spec())).kind()).isEqualTo(VmExit.Kind.CLEAN);
        assertThat(ended(hypervisor).kind()).isEqualTo(VmExit.Kind.CLEAN);
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

    // ---- what is found

    private boolean adopts() {
        return !unsupported().contains(HypervisorCapability.ADOPTION);
    }

    /** How the VM ended, as {@code finder} tells it at once. */
    private VmExit ended(Hypervisor finder) throws Exception {
        return finder.find(runDirectory)
                .orElseThrow()
                .exit()
                .toCompletableFuture()
                .getNow(null);
    }

    @Test
    public void itFindsItsOwnVmWhileItRunsAndWhenItHasEnded() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm vm = hypervisor.start(spec());
        Vm found = hypervisor.find(runDirectory).orElseThrow();
        assertThat(found.processId()).isEqualTo(vm.processId());
        assertThat(found.exit().toCompletableFuture()).isNotDone();
        vm.stop(Duration.ZERO);
        VmExit exit = await(vm);
        assertThat(await(found)).isEqualTo(exit);
        assertThat(ended(hypervisor)).isEqualTo(exit);
    }

    @Test
    public void aVmOutlivesItsHypervisorAndIsFoundByTheNextOne() throws Exception {
        if (!adopts()) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        Vm started = hypervisor.start(spec());
        hypervisor.close();
        try (Hypervisor next = hypervisor()) {
            Vm adopted = next.find(runDirectory).orElseThrow();
            assertThat(adopted.processId()).isEqualTo(started.processId());
            assertThat(next.find(runDirectory).orElseThrow().processId()).isEqualTo(started.processId());
            adopted.stop(Duration.ZERO);
            assertThat(await(adopted).kind()).isEqualTo(VmExit.Kind.STOPPED);
            assertThat(ended(next).kind()).isNotEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void aVmThatRunsOnIsStoppedAfterItsGraceByTheNextHypervisor() throws Exception {
        if (!adopts()) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        hypervisor.start(spec());
        hypervisor.close();
        try (Hypervisor next = hypervisor()) {
            Vm adopted = next.find(runDirectory).orElseThrow();
            adopted.stop(Duration.ofMillis(300));
            assertThat(await(adopted).kind()).isEqualTo(VmExit.Kind.STOPPED);
        }
    }

    @Test
    public void aGuestThatPoweredOffWhileNobodyWatchedIsCleanForEachThatComesLater() throws Exception {
        if (!adopts()) {
            return;
        }
        writeDiskThatPowersOff(disk());
        hypervisor.start(spec());
        hypervisor.close();
        for (int i = 0; i < 2; i++) {
            try (Hypervisor next = hypervisor()) {
                Vm found = next.find(runDirectory).orElseThrow();
                assertThat(await(found).kind()).isEqualTo(VmExit.Kind.CLEAN);
                // There is nothing left to be ended.
                found.stop(Duration.ZERO);
                assertThat(ended(next).kind()).isEqualTo(VmExit.Kind.CLEAN);
            }
        }
    }

    @Test
    public void aVmThatWasKilledWhileNobodyWatchedIsAFailureForEachThatComesLater() throws Exception {
        if (!adopts()) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        Vm started = hypervisor.start(spec());
        hypervisor.close();
        kill(started);
        for (int i = 0; i < 2; i++) {
            try (Hypervisor next = hypervisor()) {
                assertThat(await(next.find(runDirectory).orElseThrow()).kind()).isEqualTo(VmExit.Kind.FAILED);
                assertThat(ended(next).kind()).isEqualTo(VmExit.Kind.FAILED);
            }
        }
    }

    @Test
    public void aVmThatWasStoppedIsNeverCleanForTheNextHypervisor() throws Exception {
        if (!adopts()) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        Vm started = hypervisor.start(spec());
        started.stop(Duration.ZERO);
        hypervisor.close();
        try (Hypervisor next = hypervisor()) {
            assertThat(await(next.find(runDirectory).orElseThrow()).kind()).isNotEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void anotherProcessThatWorksInARunDirectoryIsNoVm() throws Exception {
        Process other = new ProcessBuilder(
                        "tail",
                        "-f",
                        "/dev/null",
                        "--pid=" + ProcessHandle.current().pid())
                .directory(runDirectory.toFile())
                .start();
        try {
            assertThat(hypervisor.find(runDirectory)).isEmpty();
            writeDiskThatPowersOff(disk());
            Vm vm = hypervisor.start(spec());
            await(vm);
            assertThat(hypervisor.find(runDirectory).orElseThrow().processId())
                    .isNotEqualTo(OptionalLong.of(other.pid()));
            assertThat(other.isAlive()).isTrue();
        } finally {
            other.destroyForcibly();
        }
    }

    @Test
    public void aRunDirectoryThatWasMadeAnewHasNoVm() throws Exception {
        writeDiskThatRunsForEver(disk());
        Vm vm = hypervisor.start(spec());
        try {
            Files.move(runDirectory, runDirectory.resolveSibling("old"));
            Files.createDirectory(runDirectory);
            try (Hypervisor next = hypervisor()) {
                assertThat(next.find(runDirectory)).isEmpty();
            }
        } finally {
            vm.stop(Duration.ZERO);
            await(vm);
        }
    }

    @Test
    public void aRunDirectoryThatIsGoneHasNoVm() throws Exception {
        assertThat(hypervisor.find(runDirectory.resolveSibling("gone"))).isEmpty();
    }

    private Object[][] specsThatNeedSomething() {
        VmSpec plain = spec();
        return new Object[][] {
            {
                HypervisorCapability.READ_ONLY_DISKS,
                new VmSpec(
                        plain.machine(),
                        plain.runDirectory(),
                        1,
                        plain.ram(),
                        plain.disks(),
                        List.of(new VmSpec.ReadOnlyDisk("archive", disk())),
                        plain.serialLog(),
                        Optional.empty(),
                        List.of(),
                        List.of(),
                        Optional.empty())
            },
            {
                HypervisorCapability.EXTRA_NETWORK_INTERFACES,
                new VmSpec(
                        plain.machine(),
                        plain.runDirectory(),
                        1,
                        plain.ram(),
                        plain.disks(),
                        List.of(),
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
                        List.of(),
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
                        List.of(),
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
