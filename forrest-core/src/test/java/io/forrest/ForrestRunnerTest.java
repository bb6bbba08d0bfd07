package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.RunnerSource;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.VmSpec;
import io.forrest.testing.FakeRunnerArchives;
import io.forrest.testing.FakeVm;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What a machine gets with {@code runner: auto}. */
public class ForrestRunnerTest {
    private static final String SHA256 = "0123456789abcdef".repeat(4);

    private final FakeRunnerArchives archives = new FakeRunnerArchives();
    private ForrestRig rig;

    @BeforeMethod
    public void setUp() throws Exception {
        rig = new ForrestRig();
        rig.hypervisor.guest(ForrestRig.idle());
        Files.writeString(rig.template.resolve("job-config/runner"), "<RUNNER_VERSION> <RUNNER_HASH>");
        archives.give(Optional.empty());
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        rig.close();
    }

    private MachineType type(RunnerSource runner, Map<String, String> parameters) {
        MachineType plain = rig.type("build", "1G");
        return new MachineType(
                plain.id(),
                plain.baseMachine(),
                plain.baseImage(),
                plain.useBase(),
                new MachineType.SetupTemplate(rig.template, parameters),
                runner,
                plain.cpus(),
                plain.disk(),
                plain.ram(),
                plain.shared(),
                plain.networkInterfaces(),
                plain.artifacts());
    }

    private FakeVm start(MachineType type, RunnerArchives from) throws Exception {
        rig.configure("8G", type);
        rig.open(rig.builder().runnerArchives(from)).start();
        rig.queue(type);
        return rig.nextVm();
    }

    private static String told(FakeVm vm) throws Exception {
        return ForrestRig.text(vm, ForrestRig.JOB_CONFIG, "runner");
    }

    @Test
    public void theGuestGetsTheArchiveAsADiskThatItCanOnlyReadAndIsToldItsVersion() throws Exception {
        RunnerArchive archive = archives.publish(rig.directory, "2.330.0", "runner".getBytes(StandardCharsets.UTF_8));
        FakeVm vm = start(type(RunnerSource.AUTO, Map.of()), archives);
        assertThat(vm.spec().readOnlyDisks())
                .containsExactly(
                        new VmSpec.ReadOnlyDisk("actions-runner", archive.file().orElseThrow()));
        assertThat(told(vm)).isEqualTo("2.330.0 " + archive.sha256());
    }

    @Test
    public void theNextMachineGetsTheNextRunner() throws Exception {
        archives.publish(rig.directory, "2.330.0", "first".getBytes(StandardCharsets.UTF_8));
        MachineType type = type(RunnerSource.AUTO, Map.of());
        assertThat(told(start(type, archives))).startsWith("2.330.0 ");
        archives.publish(rig.directory, "2.331.0", "second".getBytes(StandardCharsets.UTF_8));
        rig.queue(type);
        assertThat(told(rig.nextVm())).startsWith("2.331.0 ");
    }

    @Test
    public void aMachineWhoseArchiveIsNotHereStartsWithoutAndItsTemplateCanFetchIt() throws Exception {
        archives.give(Optional.of(new RunnerArchive("2.330.0", SHA256, Optional.empty())));
        FakeVm vm = start(type(RunnerSource.AUTO, Map.of()), archives);
        assertThat(vm.spec().readOnlyDisks()).isEmpty();
        assertThat(told(vm)).isEqualTo("2.330.0 " + SHA256);
    }

    @Test
    public void aMachineStartsThoughNothingIsKnownOfARunnerOrItsKeeperHasABug() throws Exception {
        FakeVm vm = start(type(RunnerSource.AUTO, Map.of()), archives);
        assertThat(vm.spec().readOnlyDisks()).isEmpty();
        assertThat(told(vm)).isEqualTo("<RUNNER_VERSION> <RUNNER_HASH>");
        tearDown();
        setUp();
        FakeVm another = start(type(RunnerSource.AUTO, Map.of()), new RunnerArchives() {
            @Override
            public void start() {}

            @Override
            public Optional<RunnerArchive> newest() {
                throw new IllegalStateException("a bug");
            }

            @Override
            public void close() {
                throw new IllegalStateException("another bug");
            }
        });
        assertThat(another.spec().readOnlyDisks()).isEmpty();
    }

    @Test
    public void aTemplateThatNamesARunnerKeepsItAndOneWithoutAutoGetsNone() throws Exception {
        RunnerArchive archive = archives.publish(rig.directory, "2.330.0", "runner".getBytes(StandardCharsets.UTF_8));
        FakeVm pinned = start(type(RunnerSource.AUTO, Map.of("RUNNER_VERSION", "2.310")), archives);
        assertThat(pinned.spec().readOnlyDisks()).isEmpty();
        assertThat(told(pinned)).isEqualTo("2.310 <RUNNER_HASH>");
        tearDown();
        setUp();
        archives.give(Optional.of(archive));
        FakeVm plain = start(type(RunnerSource.TEMPLATE, Map.of()), archives);
        assertThat(plain.spec().readOnlyDisks()).isEmpty();
        assertThat(told(plain)).isEqualTo("<RUNNER_VERSION> <RUNNER_HASH>");
    }

    @Test
    public void withAHypervisorThatHasNoSuchDisksTheTemplateIsToldTheVersionAlone() throws Exception {
        archives.publish(rig.directory, "2.330.0", "runner".getBytes(StandardCharsets.UTF_8));
        rig.hypervisor.capabilities(EnumSet.complementOf(EnumSet.of(HypervisorCapability.READ_ONLY_DISKS)));
        FakeVm vm = start(type(RunnerSource.AUTO, Map.of()), archives);
        assertThat(vm.spec().readOnlyDisks()).isEmpty();
        assertThat(told(vm)).startsWith("2.330.0 ");
    }
}
