package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Ends that look alike and are not. */
@Test(groups = "qemu")
public class QemuEndsTest {
    private QemuHypervisor hypervisor;
    private Path runDirectory;
    private MachineId machine;

    @BeforeMethod
    public void prepare() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        hypervisor = new QemuHypervisor(QemuSettings.of(Map.of("accelerator", "tcg")), new SystemdScope());
        machine = MachineId.random(TestConfigs.typeId("build"));
        runDirectory = Files.createDirectory(Files.createTempDirectory("qemu").resolve(machine.runnerName()));
    }

    @AfterMethod(alwaysRun = true)
    public void close() {
        hypervisor.close();
    }

    private Vm start(int... code) throws Exception {
        byte[] bootable = QemuProbe.bootDisk();
        for (int i = 0; i < code.length; i++) {
            bootable[i] = (byte) code[i];
        }
        Path disk = runDirectory.resolve("disk.img");
        Files.write(disk, bootable);
        return hypervisor.start(new VmSpec(
                machine,
                runDirectory,
                1,
                DataSize.parse("64M"),
                List.of(disk),
                runDirectory.resolve("log.txt"),
                Optional.empty(),
                List.of(),
                List.of(),
                Optional.empty()));
    }

    private static VmExit await(Vm vm) throws Exception {
        return vm.exit().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    private static void signal(Vm vm, String signal) throws Exception {
        // The shell's own: minimal hosts have no program for it.
        new ProcessBuilder("sh", "-c", "kill " + signal + " " + vm.processId().orElseThrow())
                .start()
                .waitFor();
    }

    private void awaitPidFile() {
        while (!Files.exists(runDirectory.resolve(QemuCommandLine.PID_FILE))) {
            Thread.onSpinWait();
        }
    }

    /** Until QEMU has its own handlers, any signal kills it; it has them when the guest runs. */
    private void awaitFirstWord() throws IOException {
        Path log = runDirectory.resolve("log.txt");
        while (!Files.exists(log)
                || !Files.readString(log, StandardCharsets.ISO_8859_1).contains("K")) {
            Thread.onSpinWait();
        }
    }

    @Test(invocationCount = 5)
    public void afterItsGuestsPowerOffQemuQuitsAndNeedNotBeKilled() throws Exception {
        VmExit exit = start().exit().toCompletableFuture().get(QemuVm.LONGEST_QUIT.toSeconds(), TimeUnit.SECONDS);
        assertThat(exit.kind()).isEqualTo(VmExit.Kind.CLEAN);
    }

    @Test
    public void aSigtermFromTheHostIsNotCleanThoughQemuExitsWithZero() throws Exception {
        // out 0x3f8, 'K'; jmp to itself
        Vm vm = start(0xBA, 0xF8, 0x03, 0xB0, 'K', 0xEE, 0xEB, 0xFE);
        awaitFirstWord();
        signal(vm, "-TERM");
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.STOPPED);
    }

    @Test
    public void aKilledQemuIsAFailure() throws Exception {
        Vm vm = start(0xEB, 0xFE);
        signal(vm, "-KILL");
        assertThat(await(vm).kind()).isEqualTo(VmExit.Kind.FAILED);
    }

    @Test
    public void aGuestThatPoweredOffWhileNobodyWatchedIsCleanForTheNextHypervisor() throws Exception {
        start();
        hypervisor.close();
        awaitPidFile();
        try (QemuHypervisor next =
                new QemuHypervisor(QemuSettings.of(Map.of("accelerator", "tcg")), new SystemdScope())) {
            assertThat(await(next.find(runDirectory).orElseThrow()).kind()).isEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void aPidFileThatNamesSomebodyElsesProcessFindsNothing() throws Exception {
        Files.writeString(
                runDirectory.resolve(QemuCommandLine.PID_FILE),
                Long.toString(ProcessHandle.current().pid()));
        assertThat(hypervisor.find(runDirectory)).isEmpty();
        Files.writeString(runDirectory.resolve(QemuCommandLine.PID_FILE), "noise");
        assertThat(hypervisor.find(runDirectory)).isEmpty();
    }

    @Test
    public void whatQemuComplainedOfIsInTheReason() throws Exception {
        Path disk = runDirectory.resolve("missing.img");
        Vm vm = hypervisor.start(new VmSpec(
                machine,
                runDirectory,
                1,
                DataSize.parse("64M"),
                List.of(disk),
                runDirectory.resolve("log.txt"),
                Optional.empty(),
                List.of(),
                List.of(),
                Optional.empty()));
        VmExit exit = await(vm);
        assertThat(exit.kind()).isEqualTo(VmExit.Kind.FAILED);
        assertThat(exit.reason()).contains("QEMU ended with 1", "missing.img");
    }

    @Test
    public void aHypervisorThatHangsIsNoticedWithinSecondsAndTheWayOutIsNamed() throws Exception {
        Path hangs = runDirectory.resolve("qemu-that-hangs");
        Files.writeString(hangs, "#!/bin/sh\nexec tail -f /dev/null\n");
        Files.setPosixFilePermissions(hangs, PosixFilePermissions.fromString("rwxr-xr-x"));
        QemuSettings settings = new QemuSettings(QemuSettings.Accelerator.TCG, hangs.toString());
        assertThat(new QemuProbe(settings, Duration.ofMillis(500)).check())
                .get()
                .extracting(HostProblem::what)
                .asString()
                .contains("hangs");
    }

    @Test
    public void aMissingBinaryIsNamed() {
        QemuSettings settings = new QemuSettings(QemuSettings.Accelerator.TCG, "/nonexistent/qemu");
        assertThat(new QemuProbe(settings, Duration.ofSeconds(5)).check())
                .get()
                .extracting(HostProblem::toString)
                .asString()
                .contains("host.qemu.binary", "/nonexistent/qemu", "Install QEMU");
    }

    @Test
    public void unknownKeysAndAcceleratorsAreProblemsThatNameTheKey() {
        assertThat(new QemuHypervisorFactory()
                        .checkSettings(Map.of("accelerator", "hvf", "binry", "x")).stream()
                                .map(HostProblem::where))
                .containsExactlyInAnyOrder("host.qemu.accelerator", "host.qemu.binry");
    }
}
