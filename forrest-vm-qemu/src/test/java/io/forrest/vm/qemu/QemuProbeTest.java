package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.HostProblem;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class QemuProbeTest {
    private static final Duration SHORT = Duration.ofMillis(500);

    private Path directory;

    @BeforeMethod
    public void prepare() throws IOException {
        directory = Files.createTempDirectory("probe");
    }

    /** A program that goes by the name of a QEMU. */
    private String qemuThat(String script) throws IOException {
        Path program = directory.resolve("qemu");
        Files.writeString(program, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
        return program.toString();
    }

    private static HostProblem problem(QemuSettings.Accelerator accelerator, String binary, Path kvm) {
        QemuSettings settings = new QemuSettings(accelerator, binary, "swtpm");
        return new QemuProbe(settings, SHORT, kvm).check().orElseThrow();
    }

    private static HostProblem problemWithWorkingKvm(String binary) {
        return problem(QemuSettings.Accelerator.KVM, binary, Path.of("/dev/null"));
    }

    @Test
    public void withoutKvmTheWayOutIsTcg() {
        HostProblem problem = problem(QemuSettings.Accelerator.KVM, "qemu", directory.resolve("kvm"));
        assertThat(problem.where()).isEqualTo("host.qemu.accelerator");
        assertThat(problem.toString()).contains(directory.resolve("kvm") + " does not exist", "accelerator: tcg");
    }

    @Test
    public void withoutPermissionTheWayOutIsTheGroup() {
        // Not even root may write this one.
        HostProblem problem = problem(QemuSettings.Accelerator.KVM, "qemu", Path.of("/proc/sys/kernel/ostype"));
        assertThat(problem.where()).isEqualTo("host.qemu.accelerator");
        assertThat(problem.toString())
                .contains("may not be used by " + System.getProperty("user.name"), "group")
                .doesNotContain("tcg");
    }

    @Test
    public void aQemuThatAbortsIsQuotedAndTheWayOutIsTcg() throws Exception {
        // As QEMU does in some nested VMs with -cpu max.
        HostProblem problem = problemWithWorkingKvm(qemuThat(
                "echo 'warning: host' >&2; echo 'qemu: kvm_buf_set_msrs: Assertion failed.' >&2; kill -ABRT $$"));
        assertThat(problem.where()).isEqualTo("host.qemu.accelerator");
        assertThat(problem.toString())
                .contains("KVM does not work", "134", "kvm_buf_set_msrs: Assertion failed.", "accelerator: tcg");
    }

    @Test(timeOut = 30_000)
    public void aQemuThatHangsIsNoticedWithinSecondsAndTheWayOutIsTcg() throws Exception {
        HostProblem problem = problemWithWorkingKvm(qemuThat("exec tail -f /dev/null"));
        assertThat(problem.where()).isEqualTo("host.qemu.accelerator");
        assertThat(problem.toString()).contains("KVM hangs", "accelerator: tcg");
    }

    /** One whose processor does not come back from KVM heeds no SIGTERM. */
    @Test(timeOut = 30_000)
    public void aQemuThatHangsAndIsDeafIsNoticedWithinSecondsToo() throws Exception {
        HostProblem problem = problemWithWorkingKvm(
                qemuThat("trap '' TERM; echo $$ > " + directory.resolve("pid") + "; exec tail -f /dev/null"));
        assertThat(problem.toString()).contains("KVM hangs", "accelerator: tcg");
        long process = Long.parseLong(Files.readString(directory.resolve("pid")).strip());
        QemuRun.eventually(
                "it is gone",
                () -> ProcessHandle.of(process).filter(ProcessHandle::isAlive).isEmpty());
    }

    @Test
    public void aQemuThatEndsWithoutHavingRunItsGuestDoesNotWork() throws Exception {
        assertThat(problemWithWorkingKvm(qemuThat("exit 0")).toString())
                .contains("KVM does not work: a minimal guest ended without having run.", "accelerator: tcg");
    }

    @Test
    public void aMissingBinaryIsNamed() {
        HostProblem problem = problem(QemuSettings.Accelerator.TCG, "/nonexistent/qemu", Path.of("/dev/null"));
        assertThat(problem.toString()).contains("host.qemu.binary", "/nonexistent/qemu", "Install QEMU");
    }

    @Test(groups = "qemu")
    public void whetherThisHostsKvmWorksIsKnownWithinSeconds() {
        HostNeeds.program("qemu-system-x86_64");
        if (!Files.exists(Path.of("/dev/kvm"))) {
            throw HostNeeds.missing("/dev/kvm");
        }
        long sinceNanos = System.nanoTime();
        QemuSettings settings = new QemuSettings(QemuSettings.Accelerator.KVM, "qemu-system-x86_64", "swtpm");
        assertThat(new QemuProbe(settings, Duration.ofSeconds(5)).check().stream())
                .allSatisfy(problem -> {
                    assertThat(problem.where()).isEqualTo("host.qemu.accelerator");
                    assertThat(problem.remedy()).isNotBlank();
                });
        assertThat(System.nanoTime() - sinceNanos).isLessThan(TimeUnit.SECONDS.toNanos(20));
    }
}
