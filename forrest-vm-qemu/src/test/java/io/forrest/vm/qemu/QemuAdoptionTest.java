package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.testing.HostNeeds;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** How a VM is found again, and that nothing else is. */
@Test(groups = "qemu")
public class QemuAdoptionTest {
    private QemuRun run;

    @BeforeMethod
    public void prepare() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        run = new QemuRun(QemuRun.POWER_OFF_WHEN_TOLD);
    }

    @AfterMethod(alwaysRun = true)
    public void clean() throws Exception {
        run.close();
    }

    private Path pidFile() {
        return run.directory.resolve(QemuCommandLine.PID_FILE);
    }

    // ---- by what

    @Test
    public void aVmWithoutAPidFileIsFoundByItsDirectory() throws Exception {
        Vm vm = run.startAndLetGo();
        Files.delete(pidFile());
        assertThat(run.find().processId()).isEqualTo(vm.processId());
    }

    @Test
    public void aPidFileThatNamesSomebodyElseMisleadsNobody() throws Exception {
        Vm vm = run.startAndLetGo();
        Files.writeString(pidFile(), Long.toString(ProcessHandle.current().pid()));
        assertThat(run.find().processId()).isEqualTo(vm.processId());
        Files.writeString(pidFile(), "noise");
        assertThat(run.find().processId()).isEqualTo(vm.processId());
    }

    @Test
    public void aVmIsFoundAtOnceWhileItStillBecomesQemu() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = hypervisor.start(QemuRun.spec(run.directory, run.disk()));
        hypervisor.close();
        assertThat(run.find().processId()).isEqualTo(vm.processId());
    }

    @Test
    public void aShellInTheDirectoryThatNamesTheMachineIsNoVm() throws Exception {
        Process shell = new ProcessBuilder(
                        "sh",
                        "-c",
                        "read x",
                        "sh",
                        "-name",
                        run.directory.getFileName().toString())
                .directory(run.directory.toFile())
                .start();
        try {
            Files.writeString(pidFile(), Long.toString(shell.pid()));
            assertThat(run.hypervisor().find(run.directory)).isEmpty();
            new VmRecord(List.of("disk.img"), false, false, Optional.empty()).write(run.directory);
            assertThat(QemuRun.await(run.find()).kind()).isEqualTo(VmExit.Kind.FAILED);
            assertThat(shell.isAlive()).isTrue();
        } finally {
            shell.destroyForcibly();
        }
    }

    @Test
    public void aQemuOfAnotherNameInTheDirectoryIsNoVm() throws Exception {
        Process other = new ProcessBuilder("qemu-system-x86_64", "-S", "-nodefaults", "-nographic", "-name", "mine")
                .directory(run.directory.toFile())
                .start();
        try {
            assertThat(run.hypervisor().find(run.directory)).isEmpty();
            assertThat(other.isAlive()).isTrue();
        } finally {
            other.destroyForcibly();
        }
    }

    @Test
    public void whatIsBehindALinkIsNotForrests() throws Exception {
        run.startAndLetGo();
        Path elsewhere = Files.createTempDirectory("elsewhere").resolve(run.directory.getFileName());
        Files.createSymbolicLink(elsewhere, run.directory);
        assertThat(run.hypervisor().find(elsewhere)).isEmpty();
    }

    @Test
    public void aRecordThatIsDamagedIsAProblemAndNoEnd() throws Exception {
        Files.writeString(run.directory.resolve(VmRecord.FILE), "{\"disks\": []");
        assertThatThrownBy(() -> run.hypervisor().find(run.directory))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN))
                .hasMessageContaining(VmRecord.FILE);
    }

    // ---- a monitor in disorder

    @Test
    public void aVmWhoseMonitorAnotherClientKeepsBusyIsWatchedAsSoonAsThatGoes() throws Exception {
        run.startAndLetGo();
        Vm found;
        try (QmpClient other = run.monitor()) {
            found = run.find();
            run.tell();
            while (!other.runState().equals("shutdown")) {
                other.awaitEvent();
            }
            assertThat(found.exit().toCompletableFuture()).isNotDone();
        }
        assertThat(QemuRun.await(found).kind()).isEqualTo(VmExit.Kind.CLEAN);
    }

    @Test
    public void theEndOfAVmWithoutASocketIsNoticed() throws Exception {
        run.startAndLetGo();
        Files.delete(run.directory.resolve(QemuCommandLine.QMP_SOCKET));
        Vm found = run.find();
        QemuRun.signal(found.processId().orElseThrow(), "-KILL");
        assertThat(found.exit().toCompletableFuture().get(3, TimeUnit.SECONDS).kind())
                .isEqualTo(VmExit.Kind.FAILED);
    }

    @Test
    public void theEndOfAVmThatHangsIsNoticed() throws Exception {
        Vm vm = run.startAndLetGo();
        QemuRun.signal(vm.processId().orElseThrow(), "-STOP");
        Vm found = run.find();
        QemuRun.signal(found.processId().orElseThrow(), "-KILL");
        assertThat(found.exit().toCompletableFuture().get(3, TimeUnit.SECONDS).kind())
                .isEqualTo(VmExit.Kind.FAILED);
    }

    @Test
    public void theEndOfAVmIsNoticedThoughItsParentLeavesItAZombie() throws Exception {
        List<String> line =
                new ArrayList<>(List.of("sh", "-c", "\"$@\" & exec tail -f /dev/null", "sh", "qemu-system-x86_64"));
        line.addAll(QemuCommandLine.of(
                new QemuSettings(QemuSettings.Accelerator.TCG, "qemu-system-x86_64", "swtpm"),
                QemuRun.spec(run.directory, run.disk())));
        new VmRecord(List.of("disk.img"), false, false, Optional.empty()).write(run.directory);
        Process parent =
                new ProcessBuilder(line).directory(run.directory.toFile()).start();
        try {
            run.awaitGuest();
            Vm found = run.find();
            run.tell();
            assertThat(QemuRun.await(found).kind()).isEqualTo(VmExit.Kind.CLEAN);
            assertThat(ProcessHandle.of(found.processId().orElseThrow())).isPresent();
            assertThat(QemuRun.await(run.find()).kind()).isEqualTo(VmExit.Kind.CLEAN);
        } finally {
            parent.destroyForcibly();
        }
    }

    // ---- what a VM's process is like

    @Test
    public void aVmIsTheLeaderOfASessionOfItsOwn() throws Exception {
        Vm vm = run.startAndLetGo();
        String stat = Files.readString(Path.of("/proc/" + vm.processId().orElseThrow() + "/stat"));
        // State, parent, process group, session.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        String process = Long.toString(vm.processId().orElseThrow());
        assertThat(List.of(fields[2], fields[3])).containsExactly(process, process);
    }

    @Test
    public void aLogThatIsCutShortGoesOnAtItsNewEnd() throws Exception {
        try (QemuRun talker = new QemuRun(QemuRun.SAY_MORE)) {
            talker.startAndLetGo();
            Files.write(talker.log(), new byte[0], StandardOpenOption.TRUNCATE_EXISTING);
            QemuRun.eventually("the guest goes on", () -> Files.size(talker.log()) > 0);
            assertThat(Files.readString(talker.log(), StandardCharsets.ISO_8859_1))
                    .startsWith("K");
        }
    }

    @Test
    public void whatQemuSaysIsPutAtTheEndOfItsLog() throws Exception {
        Path log = Files.writeString(run.directory.resolve(QemuHypervisor.OUTPUT), "before\n");
        Vm vm = run.startAndLetGo();
        QemuRun.signal(vm.processId().orElseThrow(), "-TERM");
        assertThat(QemuRun.await(run.find()).reason()).contains("signal 15");
        assertThat(log).content().startsWith("before\n").contains("signal 15");
    }
}
