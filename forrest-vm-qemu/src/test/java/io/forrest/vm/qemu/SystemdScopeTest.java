package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** With a program in the place of {@code systemd-run}. */
public class SystemdScopeTest {
    private static final String SERVICE = "0::/system.slice/forrest.service\n";

    private Path directory;
    private Path runtime;
    private Path proc;
    private Path systemdRun;

    @BeforeMethod
    public void prepare() throws IOException {
        directory = Files.createTempDirectory("scope");
        runtime = directory.resolve("run");
        proc = Files.createDirectory(directory.resolve("proc"));
        systemdRun = directory.resolve("systemd-run");
        Files.createDirectories(runtime.resolve("systemd/system"));
        Files.writeString(proc.resolve("cgroup"), SERVICE);
        // Does as it is asked to, and notes that.
        systemdRunThat("echo \"$*\" >> " + directory.resolve("asked")
                + "; while [ \"${1#--}\" != \"$1\" ]; do shift; done; exec \"$@\"");
    }

    private void systemdRunThat(String script) throws IOException {
        Files.writeString(systemdRun, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(systemdRun, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private SystemdScope scope() {
        return new SystemdScope(runtime, proc, systemdRun.toString(), Duration.ofMillis(500));
    }

    private void ownedBy(int user) throws IOException {
        if (!Files.getAttribute(proc, "unix:uid").equals(user)) {
            HostNeeds.root();
            Files.setAttribute(proc, "unix:uid", user);
        }
    }

    @DataProvider
    public Object[][] services() {
        return new Object[][] {
            {SERVICE},
            {"12:pids:/x\n1:name=systemd:/system.slice/forrest.service\n0::/\n"},
            {"1:name=systemd:/\n0::/system.slice/forrest.service/below\n"},
            {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/forrest.service\n"}
        };
    }

    @Test(dataProvider = "services")
    public void inAServiceEachVmGetsAScopeOfItsOwn(String cgroups) throws Exception {
        ownedBy(0);
        Files.writeString(proc.resolve("cgroup"), cgroups);
        SystemdScope scope = scope();
        for (String machine : new String[] {"forrest-a-1", "forrest-a-2"}) {
            assertThat(scope.launcher(machine))
                    .containsExactly(
                            systemdRun.toString(),
                            "--scope",
                            "--quiet",
                            "--collect",
                            "--no-ask-password",
                            "--slice=forrest.slice",
                            "--description=VM " + machine,
                            "--unit=forrest-vm-" + machine + ".scope",
                            "--");
        }
        assertThat(scope.tpmLauncher("forrest-a-1"))
                .as("a scope takes no second process")
                .contains("--description=TPM of VM forrest-a-1", "--unit=forrest-tpm-forrest-a-1.scope");
        assertThat(Files.readAllLines(directory.resolve("asked")))
                .as("it was tried once")
                .hasSize(1);
    }

    @DataProvider
    public Object[][] otherPlaces() {
        return new Object[][] {
            {"0::/\n"},
            {"0::/user.slice/user-0.slice/session-3.scope\n"},
            {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope\n"},
            {"0::/user.slice/user-1000.slice/user@1000.service\n"},
            {"9:pids:/system.slice/forrest.service\n0::/\n"},
            {""}
        };
    }

    @Test(dataProvider = "otherPlaces")
    public void elsewhereAVmIsStartedAsItIs(String cgroups) throws Exception {
        Files.writeString(proc.resolve("cgroup"), cgroups);
        assertThat(scope().launcher("forrest-a-1")).isEmpty();
        assertThat(directory.resolve("asked")).doesNotExist();
    }

    @Test
    public void withoutSystemdAVmIsStartedAsItIs() throws Exception {
        Files.delete(runtime.resolve("systemd/system"));
        assertThat(scope().launcher("forrest-a-1")).isEmpty();
    }

    @Test
    public void aUsersServiceAsksTheUsersManager() throws Exception {
        ownedBy(1000);
        assertThat(scope().launcher("forrest-a-1"))
                .startsWith("env", "XDG_RUNTIME_DIR=" + runtime.resolve("user/1000"), systemdRun.toString(), "--user")
                .contains("--scope");
    }

    @Test(timeOut = 30_000)
    public void whereSystemdRefusesOrHangsOrHasNoProgramForItAVmIsStartedAsItIs() throws Exception {
        systemdRunThat("echo 'Failed to start transient scope unit: Access denied' >&2; exit 1");
        assertThat(scope().launcher("forrest-a-1")).isEmpty();
        systemdRunThat("exec tail -f /dev/null");
        assertThat(scope().launcher("forrest-a-1")).isEmpty();
        Files.delete(systemdRun);
        assertThat(scope().launcher("forrest-a-1")).isEmpty();
    }

    private QemuHypervisor hypervisor(SystemdScope scope) {
        return new QemuHypervisor(QemuSettings.of(Map.of("accelerator", "tcg")), scope);
    }

    @Test(groups = "qemu")
    public void aVmInAScopeIsTheProcessThatWasStarted() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        try (QemuRun run = new QemuRun(QemuRun.POWER_OFF_WHEN_TOLD);
                QemuHypervisor hypervisor = hypervisor(scope())) {
            Vm vm = run.start(hypervisor);
            assertThat(Files.readString(directory.resolve("asked"))).contains(run.directory.getFileName() + ".scope");
            assertThat(run.find().processId()).isEqualTo(vm.processId());
            run.tell();
            assertThat(QemuRun.await(vm).kind()).isEqualTo(VmExit.Kind.CLEAN);
        }
    }

    @Test
    public void aVmThatCouldNotBeStartedIsNotFound() throws Exception {
        ownedBy(0);
        SystemdScope scope = scope();
        assertThat(scope.launcher("forrest-a-1")).isNotEmpty();
        Files.delete(systemdRun);
        try (QemuRun run = new QemuRun();
                QemuHypervisor hypervisor = hypervisor(scope)) {
            assertThatThrownBy(() -> hypervisor.start(QemuRun.spec(run.directory, run.disk())))
                    .isInstanceOfSatisfying(
                            PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN));
            assertThat(hypervisor.find(run.directory)).isEmpty();
        }
    }
}
