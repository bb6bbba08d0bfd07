package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MacAddress;
import io.forrest.domain.Secret;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.PluginException;
import io.forrest.spi.VmSpec;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeRunnerBroker;
import io.forrest.testing.FakeVm;
import io.forrest.testing.Gate;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What becomes of jobs, from the outside. */
public class ForrestTest {
    private static final String TOKEN = TestConfigs.PERSISTENCE_TOKEN.reveal();

    private ForrestRig rig;
    private MachineType build;
    private MachineType other;

    @BeforeMethod
    public void setUp() throws IOException {
        rig = new ForrestRig();
        build = rig.type("build", "4G");
        other = rig.type("other", "4G");
        rig.configure("16G", build, other);
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        rig.close();
    }

    // ---- a job's way

    @Test
    public void aJobRunsOnAMachineOfItsOwnWhichIsGoneAfterIt() throws Exception {
        Forrest forrest = rig.start();
        Gate atWork = new Gate();
        rig.script = (vm, job) -> {
            vm.print("at work\n");
            atWork.pass();
        };
        JobId job = rig.queue(build);
        atWork.awaitEntered();
        MachineSnapshot running = rig.told.await(machine -> machine.state() == MachineState.RUNNING);
        assertThat(running.job()).contains(job);
        assertThat(running.vmStartedAt()).contains(rig.clock.instant());
        assertThat(running.processId())
                .isEqualTo(rig.hypervisor.running().get(0).processId());
        assertThat(forrest.machines().get(10, TimeUnit.SECONDS)).containsExactly(running);

        atWork.open();
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.outcome())
                .contains(new MachineOutcome(MachineOutcome.Disk.DISCARDED, "its job did not ask to persist it"));
        assertThat(rig.leftOf(gone.id())).containsExactly("log.txt", "machine.json");
        assertThat(rig.runDirectory(gone.id()).resolve("log.txt")).hasContent("at work\n");
        rig.assertNothingLeftOf(gone.id());
        assertThat(forrest.machines().get(10, TimeUnit.SECONDS)).isEmpty();
        assertThat(rig.told.statesOf(gone.id()))
                .startsWith(
                        MachineState.REQUESTED,
                        MachineState.REGISTERING,
                        MachineState.REGISTERED,
                        MachineState.STARTING)
                .endsWith(MachineState.RUNNING, MachineState.STOPPING, MachineState.STOPPED);
    }

    @Test
    public void theGuestFindsItsTemplatesFilesFilledInOnItsVolumes() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        rig.start();
        rig.queue(build);
        FakeVm vm = rig.nextVm();
        assertThat(vm.spec().disks())
                .extracting(disk -> disk.getFileName().toString())
                .containsExactly("disk.img", "cloud-init.img", "job-config.img");
        assertThat(FakeGuestVolumes.label(vm.disk(ForrestRig.CLOUD_INIT))).isEqualTo("CIDATA");
        assertThat(FakeGuestVolumes.label(vm.disk(ForrestRig.JOB_CONFIG))).isEqualTo("JOBDATA");
        assertThat(ForrestRig.text(vm, ForrestRig.CLOUD_INIT, "user-data"))
                .isEqualTo("#cloud-config\nhostname: build\n");
        assertThat(ForrestRig.text(vm, ForrestRig.JOB_CONFIG, "job.sh"))
                .isEqualTo("acme/firmware build jit-" + ForrestRig.runnerId(vm));
        assertThat(ForrestRig.text(vm, ForrestRig.JOB_CONFIG, "run-token")).matches("[0-9a-f]{64}");
        assertThat(vm.spec().shellSocket())
                .contains(rig.runDirectory(vm.spec().machine()).resolve("shell.sock"));
        assertThat(vm.spec().ram()).isEqualTo(build.ram());
        assertThat(Files.size(vm.disk(ForrestRig.DISK))).isEqualTo(build.disk().bytes());
    }

    @Test
    public void aGuestCannotLearnAnotherOnesSecrets() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        rig.start();
        rig.queue(build);
        rig.queue(build);
        FakeVm one = rig.nextVm();
        FakeVm two = rig.nextVm();
        assertThat(ForrestRig.text(one, ForrestRig.JOB_CONFIG, "run-token"))
                .isNotEqualTo(ForrestRig.text(two, ForrestRig.JOB_CONFIG, "run-token"));
        assertThat(ForrestRig.runnerId(one)).isNotEqualTo(ForrestRig.runnerId(two));
    }

    // ---- persisting

    /** What a guest leaves on its JOBDATA volume. */
    @FunctionalInterface
    private interface Leaving {
        void on(Path volume) throws IOException;
    }

    private static Leaving file(String content) {
        return volume -> FakeGuestVolumes.put(volume, "persist", content.getBytes(StandardCharsets.UTF_8));
    }

    @DataProvider
    public Object[][] leavings() {
        String notAsked = "did not ask";
        String wrong = "wrong token";
        return new Object[][] {
            {"the token", file(TOKEN), true, "presented the persistence token"},
            {"the token and a newline", file(TOKEN + "\n"), true, "presented the persistence token"},
            {"the token and two newlines", file(TOKEN + "\n\n"), false, wrong},
            {"the token and a carriage return", file(TOKEN + "\r\n"), false, wrong},
            {"the token and garbage", file(TOKEN + "x"), false, wrong},
            {"the token and a NUL", file(TOKEN + "\0"), false, wrong},
            {"a newline and the token", file("\n" + TOKEN), false, wrong},
            {"a prefix of the token", file(TOKEN.substring(0, TOKEN.length() - 1)), false, wrong},
            {"a prefix and a newline", file(TOKEN.substring(0, TOKEN.length() - 1) + "\n"), false, wrong},
            {"the token in capitals", file(TOKEN.toUpperCase(Locale.ROOT)), false, wrong},
            {"a newline", file("\n"), false, wrong},
            {"an empty file", file(""), false, notAsked},
            {"a file of 1 MiB that begins with the token", file(TOKEN + "\n".repeat(1 << 20)), false, notAsked},
            {
                "a directory named persist",
                (Leaving) volume -> FakeGuestVolumes.putDirectory(volume, "persist"),
                false,
                notAsked
            },
            {
                "noise all over the volume",
                (Leaving) volume -> {
                    byte[] noise = new byte[1 << 20];
                    new Random(5).nextBytes(noise);
                    Files.write(volume, noise);
                },
                false,
                notAsked
            },
            {"a volume cut to nothing", (Leaving) volume -> Files.write(volume, new byte[0]), false, notAsked},
            {"nothing", (Leaving) volume -> {}, false, notAsked},
            {"no volume any more", (Leaving) Files::delete, false, "cannot be read"}
        };
    }

    @Test(dataProvider = "leavings")
    public void onlyTheTokenAloneOrWithOneNewlinePersistsADisk(
            String name, Leaving leaving, boolean promoted, String reason) throws Exception {
        Gate neighbour = new Gate();
        rig.script = (vm, job) -> {
            if (vm.spec().machine().type().equals(other.id())) {
                neighbour.pass();
                ForrestRig.install(vm, "neighbour");
                ForrestRig.persist(vm);
            } else {
                ForrestRig.install(vm, "installed");
                leaving.on(vm.disk(ForrestRig.JOB_CONFIG));
            }
        };
        rig.start();
        rig.queue(other);
        neighbour.awaitEntered();
        rig.queue(build);
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        MachineOutcome outcome = gone.outcome().orElseThrow();
        assertThat(outcome.disk())
                .as(name)
                .isEqualTo(promoted ? MachineOutcome.Disk.PROMOTED : MachineOutcome.Disk.DISCARDED);
        assertThat(outcome.reason()).as(name).contains(reason);
        assertThat(rig.image(build)).as(name).isEqualTo(promoted ? Optional.of("installed") : Optional.empty());
        rig.assertNothingLeftOf(gone.id());
        // Whatever one guest leaves, the machine beside it goes its way.
        neighbour.open();
        rig.told.awaitEnd(other.id());
        assertThat(rig.image(other)).contains("neighbour");
    }

    @Test
    public void withoutATokenInTheConfigurationNothingPersistsNotEvenTheEmptyToken() throws Exception {
        for (Optional<Secret> token : List.of(Optional.<Secret>empty(), Optional.of(Secret.of("")))) {
            setUp();
            rig.configure(token, "16G", build);
            rig.script = (vm, job) -> ForrestRig.persist(vm, "");
            rig.start();
            rig.queue(build);
            MachineSnapshot gone = rig.told.awaitEnd(build.id());
            assertThat(gone.outcome())
                    .contains(new MachineOutcome(
                            MachineOutcome.Disk.DISCARDED, "its repository has no persistence_token"));
            assertThat(rig.image(build)).isEmpty();
            tearDown();
        }
    }

    @Test
    public void aVmThatCrashesIsNeverPersistedWhateverItAskedFor() throws Exception {
        rig.script = (vm, job) -> {
            ForrestRig.persist(vm);
            throw new IllegalStateException("kernel panic");
        };
        rig.start();
        rig.queue(build);
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.outcome().orElseThrow().disk()).isEqualTo(MachineOutcome.Disk.DISCARDED);
        assertThat(gone.outcome().orElseThrow().reason()).contains("did not shut down in order", "kernel panic");
        assertThat(rig.image(build)).isEmpty();
        assertThat(rig.leftOf(gone.id())).containsExactly("log.txt", "machine.json");
    }

    @Test
    public void theRunnerOfAVmThatCrashedAtWorkIsRemovedWhenTheForgeHasNoticed() throws Exception {
        rig.script = (vm, job) -> {
            throw new IllegalStateException("kernel panic");
        };
        // While the forge takes the runner to be at work, it does not remove it.
        rig.broker.hooks().failNext(FakeRunnerBroker.Call.REMOVE, PluginException.Kind.RETRY_LATER);
        rig.start();
        rig.queue(build);
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        long runner = rig.broker.runnerId(gone.id().runnerName()).orElseThrow();
        CountDownLatch looked = new CountDownLatch(1);
        rig.broker.hooks().beforeEach(FakeRunnerBroker.Call.LIST, looked::countDown);
        rig.broker.disconnect(runner);
        rig.clock.advance(Duration.ofMinutes(15));
        assertThat(looked.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(rig.broker.runnerId(gone.id().runnerName())).isPresent();
        ForrestRig.eventually("the sweep removes it", () -> {
            rig.clock.advance(Duration.ofMinutes(1));
            return rig.broker.runnerId(gone.id().runnerName()).isEmpty();
        });
    }

    @Test
    public void aVmThatIsEndedFromOutsideIsNeverPersisted() throws Exception {
        Gate asked = new Gate();
        rig.script = (vm, job) -> {
            ForrestRig.persist(vm);
            asked.pass();
        };
        Forrest forrest = rig.start();
        rig.queue(build);
        asked.awaitEntered();
        forrest.close();
        assertThat(rig.image(build)).isEmpty();
    }

    @Test
    public void aGuestThatDoesNotPowerOffAfterItsJobIsEndedAndNotPersisted() throws Exception {
        rig.script = (vm, job) -> {
            ForrestRig.persist(vm);
            rig.broker.endJob(ForrestRig.runnerId(vm));
            rig.jobs.complete(job);
            vm.runForEver();
        };
        rig.start();
        rig.queue(build);
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.STOPPING);
        rig.clock.advance(Duration.ofMinutes(15));
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.outcome().orElseThrow().reason()).contains("did not power off");
        assertThat(rig.image(build)).isEmpty();
        rig.assertNothingLeftOf(gone.id());
    }

    @Test
    public void theNextMachineStartsFromWhatWasPersisted() throws Exception {
        rig.script = (vm, job) -> {
            String before = Files.readString(vm.disk(ForrestRig.DISK)).replace("\0", "");
            ForrestRig.install(vm, before + "+");
            ForrestRig.persist(vm, TOKEN + "\n");
        };
        rig.start();
        for (int i = 1; i <= 3; i++) {
            rig.queue(build);
            rig.told.await(i, machine -> machine.state() == MachineState.STOPPED);
        }
        assertThat(rig.image(build)).contains("debian+++");
    }

    // ---- several machines

    @Test
    public void aDerivedMachineWaitsForItsBaseToBePersistedThoughTheForgeCallsItsJobDone() throws Exception {
        MachineType derived = rig.derived("derived", "4G", build);
        rig.configure("16G", build, derived);
        Gate beforePowerOff = new Gate();
        rig.script = (vm, job) -> {
            if (vm.spec().machine().type().equals(build.id())) {
                ForrestRig.install(vm, "base");
                ForrestRig.persist(vm);
                rig.jobs.complete(job);
                rig.queue(derived);
                beforePowerOff.pass();
            } else {
                ForrestRig.install(
                        vm, Files.readString(vm.disk(ForrestRig.DISK)).replace("\0", "") + "+derived");
                ForrestRig.persist(vm);
            }
        };
        rig.start();
        rig.queue(build);
        MachineSnapshot held = rig.told.await(machine ->
                machine.type().id().equals(derived.id()) && machine.reason().contains("base"));
        assertThat(held.state()).isEqualTo(MachineState.REQUESTED);
        assertThat(held.reason()).contains("waits for the machines of its base acme/firmware/build to end");
        assertThat(rig.hypervisor.running()).hasSize(1);

        beforePowerOff.open();
        rig.told.awaitEnd(derived.id());
        assertThat(rig.image(derived)).contains("base+derived");
        assertThat(rig.image(build)).contains("base");
    }

    @Test
    public void ofABurstThatDoesNotFitTheBiggestMachineIsPlacedFirst() throws Exception {
        MachineType small = rig.type("small", "2G");
        MachineType big = rig.type("big", "7G");
        rig.configure("8G", small, big);
        rig.timings = FleetTimings.builder()
                .quiet(Duration.ofSeconds(2), Duration.ofSeconds(20))
                .build();
        Gate atWork = new Gate();
        rig.script = (vm, job) -> atWork.pass();
        rig.start();
        rig.queue(small);
        rig.queue(small);
        // The fleet's tick, which may come in the middle of a burst, does not cut it in two.
        Gate tick = new Gate();
        rig.broker.hooks().beforeEach(FakeRunnerBroker.Call.LIST, tick);
        tick.open();
        rig.clock.advance(Duration.ofMinutes(15));
        tick.awaitEntered();
        rig.queue(big);
        assertThat(rig.nextVm().spec().machine().type()).isEqualTo(big.id());
        List<MachineSnapshot> held = rig.told.await(
                2,
                machine -> machine.type().id().equals(small.id())
                        && machine.reason().contains("RAM"));
        assertThat(held).allSatisfy(machine -> assertThat(machine.reason())
                .isEqualTo("waits for 2G of RAM, of which 1G is free"));
        assertThat(rig.hypervisor.running()).hasSize(1);
        assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).hasSize(1);
        atWork.open();
        rig.told.await(3, machine -> machine.state() == MachineState.STOPPED);
    }

    @Test
    public void aJobThatAnotherMachineTookIsRunOnceAndSoIsTheOneThatMachineWasStartedFor() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        rig.start();
        JobId first = rig.jobs.queue(build.id());
        FakeVm vm = rig.nextVm();
        JobId second = rig.jobs.queue(build.id());
        FakeVm otherVm = rig.nextVm();
        rig.jobs.start(second, vm.spec().machine().runnerName());
        rig.jobs.start(first, otherVm.spec().machine().runnerName());
        assertThat(rig.told.await(vm.spec().machine(), MachineState.RUNNING).job())
                .contains(second);
        assertThat(rig.told
                        .await(otherVm.spec().machine(), MachineState.RUNNING)
                        .job())
                .contains(first);
        rig.jobs.complete(second);
        rig.jobs.complete(first);
        rig.told.await(vm.spec().machine(), MachineState.STOPPING);
        rig.told.await(otherVm.spec().machine(), MachineState.STOPPING);
        vm.powerOff();
        otherVm.powerOff();
        rig.told.await(2, machine -> machine.state() == MachineState.STOPPED);
        assertThat(rig.told.all())
                .extracting(MachineSnapshot::id)
                .containsOnly(vm.spec().machine(), otherVm.spec().machine());
    }

    @Test
    public void aJobWhoseEndIsHeardOfBeforeItsBeginningStartsNothing() throws Exception {
        Forrest forrest = rig.start();
        for (JobStatus status : List.of(JobStatus.COMPLETED, JobStatus.IN_PROGRESS, JobStatus.QUEUED)) {
            forrest.jobSink()
                    .observe(new JobObservation(
                            new JobId(77),
                            1,
                            TestConfigs.REPOSITORY,
                            JobLabels.of("build"),
                            status,
                            Optional.empty(),
                            Optional.empty(),
                            rig.clock.instant(),
                            "test"));
        }
        rig.queue(other);
        rig.told.awaitEnd(other.id());
        assertThat(rig.told.all())
                .allSatisfy(machine -> assertThat(machine.type().id()).isEqualTo(other.id()));
    }

    // ---- hardware addresses

    @Test
    public void hardwareAddressesAreGivenBackAndLentAgain() throws Exception {
        MachineType networked = new MachineType(
                build.id(),
                build.baseMachine(),
                build.baseImage(),
                build.useBase(),
                build.setupTemplate(),
                build.runner(),
                build.cpus(),
                build.disk(),
                build.ram(),
                List.of(),
                List.of(
                        new MachineType.VdeInterface(Path.of("/run/one")),
                        new MachineType.VdeInterface(Path.of("/run/two"))),
                List.of());
        rig.configure("16G", networked);
        rig.hypervisor.guest(ForrestRig.idle());
        rig.start();
        JobId job = rig.jobs.queue(build.id());
        FakeVm first = rig.nextVm();
        rig.jobs.queue(build.id());
        FakeVm beside = rig.nextVm();
        assertThat(addresses(first)).hasSize(2).doesNotContainAnyElementsOf(addresses(beside));
        assertThat(first.spec().networkInterfaces())
                .extracting(VmSpec.NetworkInterface::vdeSwitch)
                .containsExactly(Path.of("/run/one"), Path.of("/run/two"));

        rig.jobs.start(job, first.spec().machine().runnerName());
        rig.told.await(first.spec().machine(), MachineState.RUNNING);
        first.powerOff();
        rig.told.await(first.spec().machine(), MachineState.STOPPED);
        rig.jobs.complete(job);
        rig.jobs.queue(build.id());
        assertThat(addresses(rig.nextVm())).containsExactlyInAnyOrderElementsOf(addresses(first));
    }

    private static List<MacAddress> addresses(FakeVm vm) {
        return vm.spec().networkInterfaces().stream()
                .map(VmSpec.NetworkInterface::mac)
                .toList();
    }

    // ---- configuration

    @Test
    public void aMachineKeepsTheRecipeItWasMadeByWhenTheConfigurationChanges() throws Exception {
        Gate atWork = new Gate();
        rig.script = (vm, job) -> {
            atWork.pass();
            ForrestRig.install(vm, "old");
            ForrestRig.persist(vm);
        };
        rig.start();
        rig.queue(build);
        atWork.awaitEntered();
        MachineType changed = rig.type("build", "5G");
        rig.configure(Optional.of(Secret.of("another token")), "16G", changed);
        atWork.open();
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.type()).isEqualTo(build);
        assertThat(rig.image(build)).contains("old");

        rig.queue(changed);
        rig.nextVm();
        assertThat(rig.nextVm().spec().ram()).isEqualTo(changed.ram());
        MachineSnapshot second = rig.told
                .await(2, machine -> machine.state() == MachineState.STOPPED)
                .get(1);
        assertThat(second.outcome().orElseThrow().reason()).contains("wrong token");
    }

    @Test
    public void aMachineWhoseRepositoryIsTakenFromTheConfigurationGoesOnToItsEnd() throws Exception {
        Gate atWork = new Gate();
        rig.script = (vm, job) -> {
            atWork.pass();
            ForrestRig.persist(vm);
        };
        rig.start();
        rig.queue(build);
        atWork.awaitEntered();
        rig.configure("16G");
        atWork.open();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.PROMOTED);
        rig.assertNothingLeftOf(rig.told.awaitEnd(build.id()).id());
    }

    @Test
    public void aTemplateWithoutItsDirectoriesIsNamedAtTheStartAndByTheMachineThatNeedsIt() throws Exception {
        Path empty = Files.createDirectory(rig.directory.resolve("empty"));
        MachineType broken = TestConfigs.type("broken", "1G", Optional.empty(), Optional.of(rig.baseImage), empty);
        rig.configure("16G", build, broken);
        Forrest forrest = rig.start();
        assertThat(forrest.checkMachineTypes())
                .extracting(Object::toString)
                .hasSize(2)
                .allSatisfy(problem -> assertThat(problem)
                        .contains(
                                "repositories.acme.firmware.machines.broken.setup_template.path",
                                "no directory " + empty));
        rig.queue(broken);
        MachineSnapshot gone = rig.told.awaitEnd(broken.id());
        assertThat(gone.reason()).contains("the setup template has no directory " + empty.resolve("cloud-init"));
        rig.assertNothingLeftOf(gone.id());
        rig.queue(build);
        rig.told.awaitEnd(build.id());
    }

    // ---- listeners

    @Test
    public void listenersThatThrowOrNeverReturnHarmNobody() throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        ConcurrentHashMap.KeySetView<MachineState, Boolean> heard = ConcurrentHashMap.newKeySet();
        Forrest forrest = rig.open(Forrest.builder(rig.config::get)
                .imageStore(rig.images)
                .guestVolumes(rig.volumes)
                .hypervisor(rig.hypervisor)
                .runnerBroker(rig.broker)
                .jobSource(rig.jobs)
                .clock(rig.clock)
                .listener(machine -> {
                    throw new IllegalStateException("a bug in an embedder");
                })
                .listener(machine -> {
                    throw new AssertionError("a worse one");
                })
                .listener(machine -> {
                    try {
                        never.await();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .listener(rig.told)
                .listener(machine -> heard.add(machine.state())));
        forrest.start();
        rig.queue(build);
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(rig.told.statesOf(gone.id()))
                .isSortedAccordingTo((one, two) -> one.compareTo(two))
                .contains(MachineState.REQUESTED, MachineState.RUNNING);
        ForrestRig.eventually("the other listener hears the end", () -> heard.contains(MachineState.STOPPED));
        forrest.close();
        never.countDown();
    }

    // ---- building

    @Test
    public void aForrestWithoutAPartSaysWhichOne() {
        assertThatThrownBy(() -> Forrest.builder(rig.config::get)
                        .imageStore(rig.images)
                        .guestVolumes(rig.volumes)
                        .runnerBroker(rig.broker)
                        .build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("hypervisor");
    }

    @Test
    public void itCannotBeStartedTwice() throws Exception {
        Forrest forrest = rig.start();
        assertThatThrownBy(forrest::start).isInstanceOf(IllegalStateException.class);
    }
}
