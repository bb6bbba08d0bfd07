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
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
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

    /** The directory of a VDE switch that is there until after the test. */
    protected Path vdeSwitch() throws Exception {
        throw new UnsupportedOperationException("override it for EXTRA_NETWORK_INTERFACES");
    }

    /** Writes what {@link VmSpec#tpmState} can name. */
    protected void writeTpmState(Path file) throws Exception {
        throw new UnsupportedOperationException("override it for TPM");
    }

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

    /** The plain VM with something more; each needs one capability. */
    private VmSpec specThatNeeds(HypervisorCapability capability) throws Exception {
        boolean able = !unsupported().contains(capability);
        VmSpec plain = spec();
        List<VmSpec.ReadOnlyDisk> disks = new ArrayList<>();
        List<VmSpec.NetworkInterface> interfaces = new ArrayList<>();
        List<VmSpec.SharedDirectory> shares = new ArrayList<>();
        Optional<Path> tpmState = Optional.empty();
        switch (capability) {
            case READ_ONLY_DISKS -> {
                Path file = runDirectory.getParent().resolve("archive");
                Files.write(file, new byte[700]);
                disks.add(new VmSpec.ReadOnlyDisk("archive", file));
            }
            case EXTRA_NETWORK_INTERFACES ->
                interfaces.add(
                        new VmSpec.NetworkInterface(able ? vdeSwitch() : runDirectory, MacAddress.fromRandom(1)));
            case SHARED_DIRECTORIES -> {
                shares.add(new VmSpec.SharedDirectory(Files.createTempDirectory("read-only"), "cache", false));
                shares.add(new VmSpec.SharedDirectory(Files.createTempDirectory("a,b"), "1,st tag", true));
            }
            case TPM -> {
                Path state = runDirectory.resolve("tpm.state");
                if (able) {
                    writeTpmState(state);
                }
                tpmState = Optional.of(state);
            }
            case SHELL_SOCKET, ADOPTION -> throw new IllegalArgumentException("no VM needs " + capability + " more");
        }
        return new VmSpec(
                plain.machine(),
                plain.runDirectory(),
                1,
                plain.ram(),
                plain.disks(),
                disks,
                plain.serialLog(),
                plain.shellSocket(),
                interfaces,
                shares,
                tpmState);
    }

    @DataProvider
    public Object[][] devices() {
        return new Object[][] {
            {HypervisorCapability.READ_ONLY_DISKS},
            {HypervisorCapability.EXTRA_NETWORK_INTERFACES},
            {HypervisorCapability.SHARED_DIRECTORIES},
            {HypervisorCapability.TPM}
        };
    }

    @Test(dataProvider = "devices")
    public void whatItCannotDoIsRefusedAndWhatItCanDoKeepsNoVmFromItsEnd(HypervisorCapability capability)
            throws Exception {
        writeDiskThatPowersOff(disk());
        VmSpec spec = specThatNeeds(capability);
        if (unsupported().contains(capability)) {
            assertThat(hypervisor.checkHostFor(capability)).isNotEmpty();
            assertThatThrownBy(() -> hypervisor.start(spec))
                    .isInstanceOfSatisfying(
                            PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED));
            assertThat(hypervisor.find(runDirectory)).isEmpty();
        } else {
            assertThat(hypervisor.checkHostFor(capability)).isEmpty();
            VmExit end = await(hypervisor.start(spec));
            assertThat(end.kind()).as(end.reason()).isEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void aFileCanBeTheReadOnlyDiskOfSeveralVms() throws Exception {
        if (unsupported().contains(HypervisorCapability.READ_ONLY_DISKS)) {
            return;
        }
        writeDiskThatRunsForEver(disk());
        VmSpec first = specThatNeeds(HypervisorCapability.READ_ONLY_DISKS);
        Vm running = hypervisor.start(first);
        Path archive = first.readOnlyDisks().get(0).file();

        runDirectory = Files.createDirectory(
                runDirectory.resolveSibling(MachineId.random(machine.type()).runnerName()));
        machine = new MachineId(machine.type(), runDirectory.getFileName().toString());
        writeDiskThatPowersOff(disk());
        VmExit end = await(hypervisor.start(specThatNeeds(HypervisorCapability.READ_ONLY_DISKS)));
        assertThat(end.kind()).as(end.reason()).isEqualTo(VmExit.Kind.CLEAN);
        assertThat(archive).hasBinaryContent(new byte[700]);
        running.stop(Duration.ZERO);
        assertThat(await(running).kind()).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void closingTwiceIsHarmless() {
        hypervisor.close();
        hypervisor.close();
    }
}
