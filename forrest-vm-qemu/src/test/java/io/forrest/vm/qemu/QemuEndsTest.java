package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.testing.HostNeeds;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Ends that look alike and are not, and who saw them. */
@Test(groups = "qemu")
public class QemuEndsTest {
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

    /** How a VM comes to its end. */
    private enum End {
        POWER_OFF,
        SIGTERM,
        SIGKILL,
        QUIT_BY_HAND;

        private void of(QemuRun run, Vm vm) throws Exception {
            switch (this) {
                case POWER_OFF -> run.tell();
                case SIGTERM -> QemuRun.signal(vm.processId().orElseThrow(), "-TERM");
                case SIGKILL -> QemuRun.signal(vm.processId().orElseThrow(), "-KILL");
                case QUIT_BY_HAND -> {
                    try (QmpClient qmp = run.monitor()) {
                        qmp.send("quit");
                        awaitGone(vm);
                    }
                }
            }
        }
    }

    private static void awaitGone(Vm vm) throws Exception {
        long process = vm.processId().orElseThrow();
        QemuRun.eventually(
                "its process is gone",
                () -> ProcessHandle.of(process).filter(ProcessHandle::isAlive).isEmpty());
    }

    @DataProvider
    public Object[][] endsThatAreSeen() {
        return new Object[][] {
            {End.POWER_OFF, VmExit.Kind.CLEAN, "guest-shutdown"},
            // QEMU exits with 0 for this one, too.
            {End.SIGTERM, VmExit.Kind.STOPPED, "somebody on the host"},
            {End.SIGKILL, VmExit.Kind.FAILED, "QEMU ended with 137"}
        };
    }

    @Test(dataProvider = "endsThatAreSeen")
    public void whoStartedAVmKnowsHowItEnded(End end, VmExit.Kind kind, String reason) throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = run.start(hypervisor);
        end.of(run, vm);
        assertEnded(vm, kind, reason);
    }

    @DataProvider
    public Object[][] endsOfAdopted() {
        return new Object[][] {
            {End.POWER_OFF, VmExit.Kind.CLEAN, "guest-shutdown"},
            {End.SIGTERM, VmExit.Kind.FAILED, "terminating on signal 15"},
            {End.SIGKILL, VmExit.Kind.FAILED, "QEMU ended"}
        };
    }

    @Test(dataProvider = "endsOfAdopted")
    public void whoAdoptedAVmKnowsHowItEnded(End end, VmExit.Kind kind, String reason) throws Exception {
        run.startAndLetGo();
        Vm adopted = run.find();
        end.of(run, adopted);
        assertEnded(adopted, kind, reason);
    }

    @DataProvider
    public Object[][] endsThatNobodySees() {
        return new Object[][] {
            {End.POWER_OFF, VmExit.Kind.CLEAN, "guest-shutdown"},
            {End.SIGTERM, VmExit.Kind.FAILED, "while no Forrest ran: qemu-system-x86_64: terminating on signal 15"},
            {End.SIGKILL, VmExit.Kind.FAILED, "while no Forrest ran"},
            {End.QUIT_BY_HAND, VmExit.Kind.FAILED, "while no Forrest ran"}
        };
    }

    @Test(dataProvider = "endsThatNobodySees")
    public void whoComesLaterKnowsHowItEnded(End end, VmExit.Kind kind, String reason) throws Exception {
        Vm vm = run.startAndLetGo();
        end.of(run, vm);
        if (end == End.POWER_OFF) {
            run.awaitPowerOff();
        } else {
            awaitGone(vm);
        }
        assertEnded(run.find(), kind, reason);
    }

    /** Now, and for everybody who asks later. */
    private void assertEnded(Vm vm, VmExit.Kind kind, String reason) throws Exception {
        VmExit exit = QemuRun.await(vm);
        assertThat(exit.kind()).isEqualTo(kind);
        assertThat(exit.reason()).contains(reason);
        assertThat(QemuRun.await(run.find())).isEqualTo(exit);
    }

    @Test(invocationCount = 5)
    public void afterItsGuestsPowerOffQemuQuitsAndNeedNotBeKilled() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = run.start(hypervisor);
        run.tell();
        VmExit exit = vm.exit().toCompletableFuture().get(QemuVm.LONGEST_QUIT.toSeconds(), TimeUnit.SECONDS);
        assertThat(exit.kind()).isEqualTo(VmExit.Kind.CLEAN);
        // QEMU removes it when it quits.
        assertThat(run.directory.resolve(QemuCommandLine.PID_FILE)).doesNotExist();
    }

    @Test
    public void whatQemuComplainedOfIsInTheReason() throws Exception {
        Path missing = run.directory.resolve("missing.img");
        QemuHypervisor hypervisor = run.hypervisor();
        VmExit exit = QemuRun.await(hypervisor.start(QemuRun.spec(run.directory, missing)));
        assertThat(exit.kind()).isEqualTo(VmExit.Kind.FAILED);
        assertThat(exit.reason()).contains("QEMU ended with 1", "missing.img");
    }

    // ---- stop, and the guest's own power-off

    @Test
    public void aStopThatComesAfterThePowerOffThatNobodySawLeavesTheEndClean() throws Exception {
        run.startAndLetGo();
        run.tell();
        run.awaitPowerOff();
        Vm found = run.find();
        found.stop(Duration.ZERO);
        assertEnded(found, VmExit.Kind.CLEAN, "guest-shutdown");
    }

    @Test
    public void aPowerOffThatForrestHadAskedForIsNotCleanForTheNextOneEither() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = run.start(hypervisor);
        vm.stop(Duration.ofHours(1));
        QemuRun.eventually(
                "that it is being stopped is written down",
                () -> VmRecord.read(run.directory).orElseThrow().stopping());
        hypervisor.close();
        run.tell();
        run.awaitPowerOff();
        assertEnded(run.find(), VmExit.Kind.STOPPED, "ended by Forrest");
    }

    @Test
    public void theNextForrestEndsAVmThatWasBeingStopped() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = run.start(hypervisor);
        vm.stop(Duration.ofHours(1));
        QemuRun.eventually(
                "that it is being stopped is written down",
                () -> VmRecord.read(run.directory).orElseThrow().stopping());
        hypervisor.close();
        assertEnded(run.find(), VmExit.Kind.STOPPED, "ended by Forrest");
    }

    @Test
    public void aDiskThatCannotBeBroughtToStableStorageMakesTheEndAFailure() throws Exception {
        QemuHypervisor hypervisor = run.hypervisor();
        Vm vm = run.start(hypervisor);
        Files.delete(run.disk());
        run.tell();
        assertEnded(vm, VmExit.Kind.FAILED, "cannot be brought to stable storage");
    }

    // ---- the daemon dies in between

    private void awaitDaemon(Process daemon, int exitCode) throws Exception {
        assertThat(daemon.waitFor(60, TimeUnit.SECONDS)).as("the daemon dies").isTrue();
        assertThat(daemon.exitValue())
                .as(Files.readString(run.directory.resolve("daemon.log")))
                .isEqualTo(exitCode);
    }

    private VmRecord runToFailPoint(String failPoint) throws Exception {
        Process daemon = QemuDaemon.start(run, failPoint);
        try {
            run.awaitGuest();
            run.tell();
            awaitDaemon(daemon, 137);
        } finally {
            daemon.destroyForcibly();
        }
        return VmRecord.read(run.directory).orElseThrow();
    }

    private VmProcess process() throws Exception {
        return VmProcess.find(run.directory, "qemu-system-x86_64").orElseThrow();
    }

    @Test
    public void aDaemonThatDiesBeforeThePowerOffIsWrittenDownLosesNothing() throws Exception {
        assertThat(runToFailPoint("POWER_OFF_SEEN").exit()).isEmpty();
        assertEnded(run.find(), VmExit.Kind.CLEAN, "guest-shutdown");
    }

    @Test
    public void aDaemonThatDiesBeforeQemuQuitsLosesNothing() throws Exception {
        assertThat(runToFailPoint("POWER_OFF_RECORDED").exit()).isPresent();
        Vm found = run.find();
        assertEnded(found, VmExit.Kind.CLEAN, "guest-shutdown");
        awaitGone(found);
    }

    @Test
    public void whatIsWrittenDownHoldsWhenQemuIsKilledBeforeItQuits() throws Exception {
        runToFailPoint("POWER_OFF_RECORDED");
        process().kill();
        assertEnded(run.find(), VmExit.Kind.CLEAN, "guest-shutdown");
    }

    @Test
    public void aPowerOffThatNobodyWroteDownIsLostWithItsProcess() throws Exception {
        runToFailPoint("POWER_OFF_SEEN");
        process().kill();
        assertEnded(run.find(), VmExit.Kind.FAILED, "QEMU ended");
    }

    @Test
    public void aSignalToTheDaemonsProcessGroupDoesNotReachTheVm() throws Exception {
        Process daemon = QemuDaemon.start(run, "");
        try {
            run.awaitGuest();
            QemuRun.signal(-daemon.pid(), "-KILL");
            awaitDaemon(daemon, 137);
        } finally {
            daemon.destroyForcibly();
        }
        Vm found = run.find();
        run.tell();
        assertEnded(found, VmExit.Kind.CLEAN, "guest-shutdown");
    }
}
