package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.CallHooks;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeRunnerBroker;
import io.forrest.testing.FakeVm;
import io.forrest.testing.Gate;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.TestConfigs;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** How a Forrest begins and ends, and what becomes of what an earlier one left. */
public class ForrestCloseTest {
    private ForrestRig rig;
    private MachineType build;

    @BeforeMethod
    public void setUp() throws IOException {
        rig = new ForrestRig();
        build = rig.type("build", "4G");
        rig.configure("8G", build);
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        rig.close();
    }

    // ---- the end

    /** Somewhere in a machine's life, and how to hold it up there. */
    private interface Station {
        void hold(ForrestRig rig, Gate gate);
    }

    @DataProvider
    public Object[][] stations() {
        Station disk = (rig, gate) -> rig.images.hooks().beforeNext(InMemoryImageStore.Call.CREATE_DISK, gate);
        Station registration = (rig, gate) -> rig.broker.hooks().beforeNext(FakeRunnerBroker.Call.REGISTER, gate);
        Station volumes = (rig, gate) -> rig.volumes.hooks().beforeNext(FakeGuestVolumes.Call.WRITE, gate);
        Station vm = (rig, gate) -> rig.hypervisor.hooks().beforeNext(FakeHypervisor.Call.START, gate);
        Station boot = (rig, gate) -> rig.hypervisor.guest(guest -> gate.pass());
        Station work = (rig, gate) -> rig.script = (guest, job) -> gate.pass();
        return new Object[][] {
            {"disk", disk},
            {"registration", registration},
            {"volumes", volumes},
            {"vm", vm},
            {"boot", boot},
            {"work", work}
        };
    }

    @Test(dataProvider = "stations")
    public void endingAllMachinesEndsThemWhereverTheyStandAndLeavesNothing(String name, Station station)
            throws Exception {
        Gate gate = new Gate();
        if (!name.equals("work")) {
            // A guest that gets to its job might be done with it before its end is asked for.
            rig.hypervisor.guest(FakeVm::runForEver);
        }
        station.hold(rig, gate);
        Forrest forrest = rig.start();
        rig.queue(build);
        gate.awaitEntered();
        CompletableFuture<Void> closed = CompletableFuture.runAsync(() -> {
            forrest.endMachines();
            forrest.close();
        });
        MachineSnapshot stopping = rig.told.await(machine -> machine.state() == MachineState.STOPPING);
        if (!List.of("boot", "work").contains(name)) {
            // A guest is to be ended where it stands.
            gate.open();
        }
        closed.get(30, TimeUnit.SECONDS);
        assertThat(rig.hypervisor.running()).as(name).isEmpty();
        assertThat(rig.hypervisor.isClosed()).isTrue();
        assertThat(rig.jobs.isClosed()).isTrue();
        assertThat(rig.leftOf(stopping.id())).as(name).isSubsetOf("log.txt", "machine.json");
        if (!name.equals("work")) {
            // At work the forge holds on to it until it notices.
            assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).as(name).isEmpty();
        }
        assertThat(rig.told.await(stopping.id(), MachineState.STOPPED).reason()).contains("Forrest is closing");
    }

    @Test(dataProvider = "stations")
    public void closingEndsAMachineThatHasNoVmYetAndLeavesOneThatHas(String name, Station station) throws Exception {
        Gate gate = new Gate();
        station.hold(rig, gate);
        Forrest forrest = rig.start();
        rig.queue(build);
        gate.awaitEntered();
        MachineId machine =
                rig.told.await(seen -> seen.state() == MachineState.REGISTERING).id();
        boolean running = List.of("boot", "work").contains(name);
        if (running) {
            rig.told.await(machine, MachineState.STARTING);
        }
        CompletableFuture<Void> closed = CompletableFuture.runAsync(forrest::close);
        ForrestRig.eventually("it closes", rig.jobs::isClosed);
        if (!running) {
            gate.open();
        }
        closed.get(30, TimeUnit.SECONDS);
        assertThat(rig.hypervisor.running()).as(name).hasSize(running ? 1 : 0);
        assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).as(name).hasSize(running ? 1 : 0);
        if (!running) {
            assertThat(rig.leftOf(machine)).as(name).isSubsetOf("log.txt", "machine.json");
        }
    }

    @Test
    public void withAHypervisorThatCannotFindVmsAgainClosingEndsAllMachines() throws Exception {
        rig.hypervisor.capabilities(EnumSet.complementOf(EnumSet.of(HypervisorCapability.ADOPTION)));
        rig.hypervisor.guest(ForrestRig.idle());
        Forrest forrest = rig.start();
        rig.queue(build);
        MachineId machine =
                rig.told.await(seen -> seen.state() == MachineState.STARTING).id();
        forrest.close();
        assertThat(rig.hypervisor.running()).isEmpty();
        rig.assertNothingLeftOf(machine);
    }

    @Test
    public void closingWhileADiskIsPromotedWaitsForIt() throws Exception {
        Gate promotion = new Gate();
        rig.images.hooks().beforeNext(InMemoryImageStore.Call.PROMOTE, promotion);
        rig.script = (vm, job) -> {
            ForrestRig.install(vm, "installed");
            ForrestRig.persist(vm);
        };
        Forrest forrest = rig.start();
        rig.queue(build);
        promotion.awaitEntered();
        CompletableFuture<Void> closed = CompletableFuture.runAsync(forrest::close);
        ForrestRig.eventually("it closes", rig.jobs::isClosed);
        promotion.open();
        closed.get(30, TimeUnit.SECONDS);
        assertThat(rig.image(build)).contains("installed");
    }

    @Test
    public void aVmThatThrowsWhenItIsStoppedDoesNotKeepOthersAlive() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        Forrest forrest = rig.open(rig.builder().hypervisor(new HypervisorWithBugInStop(rig.hypervisor)));
        forrest.start();
        rig.queue(build);
        rig.queue(build);
        rig.told.await(2, machine -> machine.state() == MachineState.STARTING);
        forrest.endMachines();
        assertThat(rig.hypervisor.running()).isEmpty();
    }

    private record HypervisorWithBugInStop(FakeHypervisor sound) implements Hypervisor {
        private record VmWithBug(Vm sound) implements Vm {
            @Override
            public OptionalLong processId() {
                return sound.processId();
            }

            @Override
            public CompletionStage<VmExit> exit() {
                return sound.exit();
            }

            @Override
            public void stop(Duration grace) {
                sound.stop(grace);
                throw new IllegalStateException("a bug in a plugin");
            }
        }

        @Override
        public Set<HypervisorCapability> capabilities() {
            return sound.capabilities();
        }

        @Override
        public List<HostProblem> checkHost() {
            return sound.checkHost();
        }

        @Override
        public Vm start(VmSpec spec) throws PluginException {
            return new VmWithBug(sound.start(spec));
        }

        @Override
        public Optional<Vm> find(Path runDirectory) throws PluginException {
            return sound.find(runDirectory);
        }

        @Override
        public void close() {
            sound.close();
        }
    }

    @Test
    public void closingTwiceIsHarmlessAndNothingStartsAfterIt() throws Exception {
        Forrest forrest = rig.start();
        forrest.close();
        forrest.close();
        rig.queue(build);
        assertThat(rig.told.all()).isEmpty();
        assertThatThrownBy(forrest::start).isInstanceOf(IllegalStateException.class);
    }

    @Test
    public void aForrestThatWasNeverStartedCanBeClosed() {
        Forrest forrest = rig.open(rig.builder());
        forrest.close();
        assertThat(rig.hypervisor.isClosed()).isTrue();
    }

    @Test
    public void whoAsksForTheMachinesOfAClosedForrestIsAnswered() throws Exception {
        Forrest forrest = rig.start();
        forrest.close();
        assertThat(forrest.machines()
                        .handle((machines, closed) -> closed == null)
                        .get(10, TimeUnit.SECONDS))
                .isFalse();
    }

    // ---- the beginning

    @Test
    public void aHostWithProblemsIsNotStartedAndTheyAreAllNamed() {
        HostProblem one = new HostProblem("/dev/kvm", "cannot be opened.", "Load the module kvm.");
        HostProblem two = new HostProblem("/srv/forrest", "has no reflinks.", "Use XFS.");
        rig.hypervisor.hostProblems(List.of(one));
        rig.images.hostProblems(List.of(two));
        Forrest forrest = rig.open(rig.builder());
        assertThatThrownBy(forrest::start)
                .isInstanceOfSatisfying(
                        HostCheckException.class, e -> assertThat(e.problems()).containsExactlyInAnyOrder(one, two))
                .hasMessageContainingAll(one.toString(), two.toString());
        forrest.close();
    }

    @Test
    public void aSecondForrestOnTheSameBaseDirectoryIsRefusedUntilTheFirstIsClosed() throws Exception {
        Forrest first = rig.start();
        Forrest second = rig.open(rig.builder());
        assertThatThrownBy(second::start)
                .isInstanceOf(HostCheckException.class)
                .hasMessageContainingAll(
                        rig.baseDirectory.resolve("forrest.lock").toString(), "another Forrest", "base_dir of its own");
        second.close();
        assertLocked(true);
        first.close();
        assertLocked(false);
        rig.hypervisor = rig.hypervisor.ofNextProcess();
        rig.start();
    }

    /** Asks from another process, as a process may lock against itself what it will. */
    private void assertLocked(boolean expected) throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        LockProbe.class.getName(),
                        rig.baseDirectory.resolve("forrest.lock").toString())
                .redirectErrorStream(true)
                .start();
        String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(answer.strip()).isEqualTo(expected ? "locked" : "free");
    }

    @Test
    public void aBaseDirectoryThatCannotBeMadeIsNamed() throws Exception {
        Files.writeString(rig.baseDirectory, "a file");
        Forrest forrest = rig.open(rig.builder());
        assertThatThrownBy(forrest::start)
                .isInstanceOf(HostCheckException.class)
                .hasMessageContaining(rig.baseDirectory.toString());
    }

    // ---- what a killed Forrest left

    private MachineId leftOver(String... files) throws IOException {
        MachineId machine = MachineId.random(build.id());
        Path run = Files.createDirectories(rig.runDirectory(machine));
        for (String file : files) {
            Files.writeString(run.resolve(file), file);
        }
        return machine;
    }

    private void startVmOf(MachineId machine) throws Exception {
        Path run = rig.runDirectory(machine);
        rig.hypervisor.guest(ForrestRig.idle());
        rig.hypervisor.start(new VmSpec(
                machine,
                run,
                1,
                DataSize.parse("64M"),
                List.of(run.resolve("disk.img")),
                List.of(),
                run.resolve("log.txt"),
                Optional.empty(),
                List.of(),
                List.of(),
                Optional.empty()));
        rig.hypervisor.close();
        rig.hypervisor = rig.hypervisor.ofNextProcess();
    }

    @Test
    public void whatAForrestLeftThatKeptNoRecordsIsEndedAndRemovedAndItsLogsStay() throws Exception {
        MachineId left = leftOver("disk.img", "cloud-init.img", "job-config.img", "log.txt", "shell.sock", "qemu.log");
        rig.broker.registerElsewhere(TestConfigs.REPOSITORY, left.runnerName());
        rig.broker.registerElsewhere(
                TestConfigs.REPOSITORY, MachineId.random(build.id()).runnerName());
        startVmOf(left);
        rig.configure("8G", rig.type("other", "1G"));
        rig.start();
        assertThat(rig.hypervisor.running()).isEmpty();
        assertThat(rig.leftOf(left)).containsExactly("log.txt", "qemu.log");
        ForrestRig.eventually(
                "its runner is removed",
                () -> rig.broker.runnerId(left.runnerName()).isEmpty());
        // The other one may be another host's.
        assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).hasSize(1);
    }

    @Test
    public void leftOversOfARepositoryWithoutAccessHarmNobody() throws Exception {
        MachineId left = leftOver("disk.img");
        Path strange = rig.baseDirectory.resolve("runs/nobody/nothing/build").resolve(left.runnerName());
        Files.createDirectories(strange);
        Files.writeString(strange.resolve("disk.img"), "disk");
        rig.broker.registerElsewhere(TestConfigs.REPOSITORY, left.runnerName());
        rig.start();
        assertThat(strange).isEmptyDirectory();
        ForrestRig.eventually(
                "the other repository's runner is removed",
                () -> rig.broker.runnerId(left.runnerName()).isEmpty());
        rig.queue(build);
        rig.told.awaitEnd(build.id());
    }

    @Test
    public void directoriesThatAreNotOfAMachineAreLeftAlone() throws Exception {
        MachineId foreign = MachineId.random(TestConfigs.typeId("other"));
        List<String> places = List.of(
                "runs/acme/firmware/build/backup",
                "runs/acme/firmware/build/" + foreign.runnerName(),
                "runs/acme/firmware/build/forrest-build-tooshort",
                "runs/acme/firmware/" + foreign.runnerName(),
                "runs/" + foreign.runnerName(),
                "machines/acme/firmware/other/" + foreign.runnerName());
        for (String place : places) {
            Files.createDirectories(rig.baseDirectory.resolve(place));
            Files.writeString(rig.baseDirectory.resolve(place).resolve("disk.img"), "precious");
        }
        Files.writeString(rig.baseDirectory.resolve("runs/notes.txt"), "precious");
        Path elsewhere = Files.createDirectory(rig.directory.resolve("elsewhere"));
        Files.writeString(elsewhere.resolve("disk.img"), "precious");
        Files.createSymbolicLink(
                rig.baseDirectory
                        .resolve("runs/acme/firmware/build")
                        .resolve(MachineId.random(build.id()).runnerName()),
                elsewhere);
        rig.start();
        for (String place : places) {
            assertThat(rig.baseDirectory.resolve(place).resolve("disk.img")).hasContent("precious");
        }
        assertThat(rig.baseDirectory.resolve("runs/notes.txt")).hasContent("precious");
        assertThat(elsewhere.resolve("disk.img")).hasContent("precious");
    }

    @Test
    public void aRescuedDiskIsLeftAlone() throws Exception {
        MachineId left = leftOver("disk.img.rescued", "log.txt");
        MachineId unfinished = leftOver("disk.img", "disk.img.rescued");
        rig.start();
        assertThat(rig.leftOf(left)).containsExactly("disk.img.rescued", "log.txt");
        assertThat(rig.leftOf(unfinished)).containsExactly("disk.img.rescued");
    }

    @DataProvider
    public Object[][] findFailures() {
        CallHooks.Hook bug = () -> {
            throw new IllegalStateException("a bug in a plugin");
        };
        CallHooks.Hook broken = () -> {
            throw new PluginException(PluginException.Kind.BROKEN, "cannot look");
        };
        return new Object[][] {{bug}, {broken}};
    }

    @Test(dataProvider = "findFailures")
    public void aLeftOverWhoseVmCannotBeLookedForKeepsItsFilesAndForrestStartsAllTheSame(CallHooks.Hook failure)
            throws Exception {
        MachineId left = leftOver("disk.img");
        rig.hypervisor.hooks().beforeNext(FakeHypervisor.Call.FIND, failure);
        rig.start();
        assertThat(rig.leftOf(left)).containsExactly("disk.img");
        rig.queue(build);
        rig.told.awaitEnd(build.id());
    }

    @Test
    public void oldRunnersAreLeftToTheSweepWhenTheForgeDoesNotAnswer() throws Exception {
        MachineId left = leftOver("disk.img");
        rig.broker.registerElsewhere(TestConfigs.REPOSITORY, left.runnerName());
        rig.broker.hooks().beforeNext(FakeRunnerBroker.Call.LIST, () -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.start();
        rig.queue(build);
        rig.told.awaitEnd(build.id());
        ForrestRig.eventually("the sweep gets it", () -> {
            rig.clock.advance(Duration.ofMinutes(1));
            return rig.broker.runnerId(left.runnerName()).isEmpty();
        });
    }
}
