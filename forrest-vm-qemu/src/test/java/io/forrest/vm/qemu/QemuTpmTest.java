package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** A TPM is there before its VM, and gone when that is gone. */
@Test(groups = "qemu")
public class QemuTpmTest {
    /** DID_VID of QEMU's TPM (TCG PC Client Platform TPM Profile, FIFO interface): IBM's. */
    private static final String TPM = "\u0014\u0010\u0001\0";

    private QemuRun run;

    @BeforeMethod
    public void prepare() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        HostNeeds.program("swtpm");
        run = new QemuRun(QemuRun.POWER_OFF_WHEN_TOLD);
    }

    @AfterMethod(alwaysRun = true)
    public void clean() throws Exception {
        run.close();
    }

    private static Optional<VmProcess> tpm(QemuRun run) throws IOException {
        return VmProcess.findTpm(run.directory, "swtpm");
    }

    private Optional<VmProcess> tpm() throws IOException {
        return tpm(run);
    }

    /** A program in place of swtpm. */
    private String program(String script) throws IOException {
        Path file = Files.writeString(Files.createTempFile("swtpm", ""), "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return file.toString();
    }

    private static QemuSettings settings(String binary, String swtpm) {
        return new QemuSettings(QemuSettings.Accelerator.TCG, binary, swtpm);
    }

    private static QemuHypervisor hypervisor(String binary, String swtpm) {
        return new QemuHypervisor(settings(binary, swtpm), new SystemdScope());
    }

    private void assertFails(PluginException.Kind kind, QemuHypervisor hypervisor, VmSpec spec, String... words)
            throws Exception {
        assertThatThrownBy(() -> hypervisor.start(spec))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContainingAll(words);
        assertThat(hypervisor.find(run.directory)).isEmpty();
        assertThat(tpm()).isEmpty();
    }

    // ---- its life

    @Test
    public void aGuestSeesATpmOnlyIfItsVmHasOne() throws Exception {
        try (QemuRun with = new QemuRun(QemuRun.SAY_THE_TPM);
                QemuRun without = new QemuRun(QemuRun.SAY_THE_TPM)) {
            Vm one = with.hypervisor().start(with.specWithTpm());
            Vm other = without.hypervisor().start(QemuRun.spec(without.directory, without.disk()));
            assertThat(QemuRun.await(one).kind()).isEqualTo(VmExit.Kind.CLEAN);
            assertThat(QemuRun.await(other).kind()).isEqualTo(VmExit.Kind.CLEAN);
            assertThat(Files.readString(with.log(), StandardCharsets.ISO_8859_1))
                    .endsWith(TPM);
            assertThat(Files.readString(without.log(), StandardCharsets.ISO_8859_1))
                    .endsWith("\0\0\0\0");
            assertThat(tpm(with)).as("when the VM's end is told").isEmpty();
        }
    }

    @Test
    public void aTpmIsGoneWhenTheEndOfItsVmIsTold() throws Exception {
        Vm vm = run.hypervisor().start(run.specWithTpm());
        run.awaitGuest();
        VmProcess tpm = tpm().orElseThrow();
        // It would not hear of QEMU's end.
        QemuRun.signal(tpm.id(), "-STOP");
        vm.stop(Duration.ZERO);
        assertThat(QemuRun.await(vm).kind()).isEqualTo(VmExit.Kind.STOPPED);
        assertThat(tpm.hasEnded()).isTrue();
        assertThat(run.directory.resolve(Swtpm.SOCKET)).doesNotExist();
    }

    @Test
    public void aTpmOutlivesTheDaemonAndEndsWithItsVmWhileNobodyWatches() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = hypervisor.start(run.specWithTpm());
        run.awaitGuest();
        hypervisor.close();
        VmProcess tpm = tpm().orElseThrow();
        assertThat(tpm.hasEnded()).isFalse();
        QemuRun.signal(vm.processId().orElseThrow(), "-KILL");
        QemuRun.eventually("the TPM ends", tpm::hasEnded);
    }

    @Test
    public void aTpmIsTheLeaderOfASessionOfItsOwn() throws Exception {
        run.hypervisor().start(run.specWithTpm());
        String process = Long.toString(tpm().orElseThrow().id());
        String stat = Files.readString(Path.of("/proc/" + process + "/stat"));
        // State, parent, process group, session.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        assertThat(List.of(fields[2], fields[3])).containsExactly(process, process);
    }

    @Test
    public void theTpmOfAVmThatWasTakenOverIsGoneWhenThatsEndIsTold() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        hypervisor.start(run.specWithTpm());
        run.awaitGuest();
        hypervisor.close();
        Vm found = run.find();
        VmProcess tpm = tpm().orElseThrow();
        run.tell();
        assertThat(QemuRun.await(found).kind()).isEqualTo(VmExit.Kind.CLEAN);
        assertThat(tpm.hasEnded()).isTrue();
    }

    @Test
    public void aTpmThatIsLeftWithoutItsVmIsEndedByTheNextDaemon() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = hypervisor.start(run.specWithTpm());
        run.awaitGuest();
        hypervisor.close();
        VmProcess tpm = tpm().orElseThrow();
        QemuRun.signal(tpm.id(), "-STOP");
        QemuRun.signal(vm.processId().orElseThrow(), "-KILL");
        QemuRun.eventually("the VM ends", () -> ProcessHandle.of(vm.processId().orElseThrow())
                .filter(ProcessHandle::isAlive)
                .isEmpty());
        assertThat(QemuRun.await(run.find()).kind()).isEqualTo(VmExit.Kind.FAILED);
        assertThat(tpm.hasEnded()).isTrue();
    }

    @Test
    public void theTpmOfAnotherVmInTheSameDirectoryIsNotTouched() throws Exception {
        List<String> line = new ArrayList<>(List.of("swtpm"));
        line.addAll(Swtpm.arguments(run.specWithTpm(), run.directory.resolve("tpm.swtpm")));
        line.replaceAll(argument -> argument.replace(run.directory.getFileName().toString(), "mine"));
        Process other =
                new ProcessBuilder(line).directory(run.directory.toFile()).start();
        try {
            assertThat(run.hypervisor().find(run.directory)).isEmpty();
            assertThat(other.isAlive()).isTrue();
        } finally {
            other.destroyForcibly();
        }
    }

    @Test
    public void theEndOfATpmUnderARunningVmIsSaidAndTheVmGoesOn() throws Exception {
        try (WarningLog log = new WarningLog()) {
            QemuHypervisor hypervisor = run.hypervisor();
            Vm vm = hypervisor.start(run.specWithTpm());
            run.awaitGuest();
            tpm().orElseThrow().kill();
            QemuRun.eventually("it is said", () -> log.says("The TPM of " + run.directory.getFileName()));
            assertThat(vm.exit().toCompletableFuture()).isNotDone();
            hypervisor.close();
        }
        // Who takes it over is told, too.
        try (WarningLog log = new WarningLog()) {
            Vm found = run.find();
            QemuRun.eventually("it is said", () -> log.says("The TPM of " + run.directory.getFileName()));
            run.tell();
            assertThat(QemuRun.await(found).kind()).isEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void aTpmThatGoesWithItsVmIsNotWorthAWord() throws Exception {
        try (WarningLog log = new WarningLog()) {
            Vm vm = run.hypervisor().start(run.specWithTpm());
            run.awaitGuest();
            CompletableFuture<ProcessHandle> tpmGone = tpm().orElseThrow().onEnd();
            QemuRun.signal(vm.processId().orElseThrow(), "-KILL");
            assertThat(QemuRun.await(vm).kind()).isEqualTo(VmExit.Kind.FAILED);
            tpmGone.get(1, TimeUnit.MINUTES);
            // Later than it would be said.
            CompletableFuture.runAsync(() -> {}, CompletableFuture.delayedExecutor(1500, TimeUnit.MILLISECONDS))
                    .get(1, TimeUnit.MINUTES);
            assertThat(log.says("The TPM of")).isFalse();
        }
    }

    // ---- when it does not come up

    @Test
    public void withoutSwtpmTheVmFailsWithTheReasonAndTheCheckSaysSoBefore() throws Exception {
        try (QemuHypervisor hypervisor = hypervisor("qemu-system-x86_64", "/nowhere/swtpm")) {
            assertFails(PluginException.Kind.BROKEN, hypervisor, run.specWithTpm(), "its TPM ended", "/nowhere/swtpm");
            assertThat(hypervisor.checkHostFor(HypervisorCapability.TPM))
                    .singleElement()
                    .asString()
                    .contains("host.qemu.swtpm", "/nowhere/swtpm", "Debian: swtpm");
        }
    }

    @Test
    public void whatSwtpmSaysWhenItFailsIsTheReason() throws Exception {
        String failing = program("echo 'swtpm: Could not open UnixIO socket: Permission denied' >&2; exit 1");
        try (QemuHypervisor hypervisor = hypervisor("qemu-system-x86_64", failing)) {
            assertFails(
                    PluginException.Kind.BROKEN,
                    hypervisor,
                    run.specWithTpm(),
                    "its TPM ended with 1",
                    "Could not open UnixIO socket: Permission denied");
        }
    }

    @Test
    public void aTpmThatNeverAnswersIsEndedAndSaid() throws Exception {
        String hanging = program("echo $$ > process; exec tail -f /dev/null");
        VmSpec spec = run.specWithTpm();
        assertThatThrownBy(() -> Swtpm.start(
                        settings("qemu-system-x86_64", hanging),
                        new SystemdScope(),
                        spec,
                        run.directory.resolve("tpm.swtpm"),
                        Duration.ofSeconds(2)))
                .isInstanceOf(PluginException.class)
                .hasMessageContaining("its TPM does not answer within 2 s");
        long process = Long.parseLong(
                Files.readString(run.directory.resolve("process")).strip());
        assertThat(ProcessHandle.of(process).filter(ProcessHandle::isAlive)).isEmpty();
    }

    @Test
    public void whatIsNoStateOfATpmIsRefusedAndNotMadeANewOne() throws Exception {
        VmSpec spec = run.specWithTpm();
        Path state = Files.writeString(run.directory.resolve("tpm.swtpm"), "something else");
        assertFails(PluginException.Kind.REJECTED, run.hypervisor(), spec, "no linear file of swtpm");
        assertThat(state).hasContent("something else");
    }

    @Test
    public void aTpmIsNotLeftWhenQemuCannotBeStarted() throws Exception {
        try (QemuHypervisor hypervisor = hypervisor("/nowhere/qemu", "swtpm")) {
            VmExit end = QemuRun.await(hypervisor.start(run.specWithTpm()));
            assertThat(end.kind()).isEqualTo(VmExit.Kind.FAILED);
            assertThat(end.reason()).contains("/nowhere/qemu");
            assertThat(tpm()).isEmpty();
        }
    }

    @Test
    public void whatTheHostsQemuLacksIsSaid() throws Exception {
        String bare = program("echo socket; echo user");
        try (QemuHypervisor hypervisor = hypervisor(bare, "swtpm")) {
            Map.of(
                            HypervisorCapability.TPM, "TPM",
                            HypervisorCapability.EXTRA_NETWORK_INTERFACES, "VDE",
                            HypervisorCapability.SHARED_DIRECTORIES, "virtfs")
                    .forEach((capability, word) -> assertThat(hypervisor.checkHostFor(capability))
                            .singleElement()
                            .asString()
                            .contains("host.qemu.binary", "was built without", word));
        }
    }
}
