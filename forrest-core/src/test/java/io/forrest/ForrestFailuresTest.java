package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import io.forrest.spi.PluginException;
import io.forrest.testing.CallHooks;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeJobSource;
import io.forrest.testing.FakeRunnerBroker;
import io.forrest.testing.FakeVm;
import io.forrest.testing.Gate;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Whatever fails, fails one machine: it leaves nothing behind, and the next one is tried. */
public class ForrestFailuresTest {
    private ForrestRig rig;
    private MachineType build;
    private MachineType other;

    @BeforeMethod
    public void setUp() throws IOException {
        rig = new ForrestRig();
        // All the RAM there is, so that one that is lost would be missed.
        build = rig.type("build", "8G");
        other = rig.type("other", "8G");
        rig.configure("8G", build, other);
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        rig.close();
    }

    /** A step of a machine's launch, and how to put something before it. */
    private interface Step {
        void before(ForrestRig rig, CallHooks.Hook hook);
    }

    private static final Step DISK =
            (rig, hook) -> rig.images.hooks().beforeNext(InMemoryImageStore.Call.CREATE_DISK, hook);
    private static final Step REGISTRATION =
            (rig, hook) -> rig.broker.hooks().beforeNext(FakeRunnerBroker.Call.REGISTER, hook);
    private static final Step CLOUD_INIT =
            (rig, hook) -> rig.volumes.hooks().beforeNext(FakeGuestVolumes.Call.WRITE, hook);
    private static final Step JOB_CONFIG = (rig, hook) -> {
        rig.volumes.hooks().beforeNext(FakeGuestVolumes.Call.WRITE, () -> {});
        rig.volumes.hooks().beforeNext(FakeGuestVolumes.Call.WRITE, hook);
    };
    private static final Step VM = (rig, hook) -> rig.hypervisor.hooks().beforeNext(FakeHypervisor.Call.START, hook);

    @DataProvider
    public Object[][] steps() {
        return new Object[][] {
            {"disk", DISK},
            {"registration", REGISTRATION},
            {"cloud-init", CLOUD_INIT},
            {"job-config", JOB_CONFIG},
            {"vm", VM}
        };
    }

    /** Lets the back-off of a failed launch end, and expects the next machine to run its job. */
    private void assertTheNextOneRuns() throws Exception {
        rig.told.await(machine ->
                machine.state() == MachineState.REQUESTED && machine.reason().contains("the next try is at"));
        rig.advance(Duration.ofMinutes(5));
        MachineSnapshot done = rig.told.await(machine -> machine.state() == MachineState.STOPPED
                && machine.outcome().orElseThrow().disk() != MachineOutcome.Disk.NONE);
        rig.assertNothingLeftOf(done.id());
    }

    @DataProvider
    public Object[][] failures() {
        Object[][] rows = new Object[steps().length * PluginException.Kind.values().length][];
        int row = 0;
        for (Object[] step : steps()) {
            for (PluginException.Kind kind : PluginException.Kind.values()) {
                rows[row++] = new Object[] {step[0], step[1], kind};
            }
        }
        return rows;
    }

    @Test(dataProvider = "failures")
    public void aLaunchThatFailsLeavesNothingSaysWhyAndIsTriedAgainLater(
            String name, Step step, PluginException.Kind kind) throws Exception {
        step.before(rig, () -> {
            throw new PluginException(kind, "no " + name + " today");
        });
        rig.start();
        rig.queue(build);
        MachineSnapshot failed = rig.told.awaitEnd(build.id());
        assertThat(failed.outcome()).contains(new MachineOutcome(MachineOutcome.Disk.NONE, "no " + name + " today"));
        rig.assertNothingLeftOf(failed.id());
        assertTheNextOneRuns();
    }

    @Test(dataProvider = "steps")
    public void aPluginWithABugFailsItsMachineAndNoOther(String name, Step step) throws Exception {
        step.before(rig, () -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.start();
        rig.queue(build);
        MachineSnapshot failed = rig.told.awaitEnd(build.id());
        assertThat(failed.reason()).as(name).contains("a bug in a plugin");
        rig.assertNothingLeftOf(failed.id());
        assertTheNextOneRuns();
    }

    @Test
    public void aPluginThatFailsWithoutWordsFailsItsMachineAllTheSame() throws Exception {
        VM.before(rig, () -> {
            throw new PluginException(PluginException.Kind.BROKEN, new IOException().getMessage());
        });
        rig.start();
        rig.queue(build);
        MachineSnapshot failed = rig.told.awaitEnd(build.id());
        assertThat(failed.reason()).isEqualTo("no reason was given");
        rig.assertNothingLeftOf(failed.id());
        assertTheNextOneRuns();
    }

    @Test(dataProvider = "steps")
    public void aPluginThatCannotBeLinkedFailsItsMachineAndHoldsNoRam(String name, Step step) throws Exception {
        step.before(rig, () -> {
            throw new NoClassDefFoundError("a library that a plugin lacks");
        });
        rig.start();
        rig.queue(build);
        MachineSnapshot failed = rig.told.awaitEnd(build.id());
        assertThat(failed.reason()).as(name).contains("a library that a plugin lacks");
        rig.assertNothingLeftOf(failed.id());
        assertTheNextOneRuns();
    }

    @Test(dataProvider = "steps")
    public void aMachineWhoseJobIsCancelledDuringItsLaunchLeavesNothing(String name, Step step) throws Exception {
        Gate gate = new Gate();
        step.before(rig, gate);
        rig.start();
        JobId job = rig.jobs.queue(build.id());
        gate.awaitEntered();
        rig.jobs.complete(job);
        rig.told.await(machine -> machine.state() == MachineState.STOPPING);
        gate.open();
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.reason()).as(name).contains("no job wants it any more");
        rig.assertNothingLeftOf(gone.id());
        rig.queue(other);
        rig.told.awaitEnd(other.id());
    }

    @Test
    public void aMachineWithoutItsImageWaitsForItWithoutARunnerAndStartsOnce() throws Exception {
        Files.delete(rig.baseImage);
        rig.start();
        rig.queue(build);
        MachineSnapshot waiting = rig.told.await(machine ->
                machine.state() == MachineState.REQUESTED && machine.reason().contains("the next try is at"));
        assertThat(waiting.reason()).contains(rig.baseImage + " does not exist");
        assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).isEmpty();
        Files.writeString(rig.baseImage, "debian");
        rig.advance(Duration.ofSeconds(3));
        rig.told.await(waiting.id(), MachineState.STOPPED);
        rig.nextVm();
        rig.queue(other);
        assertThat(rig.nextVm().spec().machine().type()).isEqualTo(other.id());
    }

    @Test
    public void aMachineThatNeedsWhatTheHypervisorLacksIsRefusedAndOthersGoWithoutAShell() throws Exception {
        MachineType shared = new MachineType(
                build.id(),
                build.baseMachine(),
                build.baseImage(),
                build.useBase(),
                build.setupTemplate(),
                build.runner(),
                build.cpus(),
                build.disk(),
                build.ram(),
                List.of(new MachineType.SharedDirectory(Path.of("/srv/cache"), "cache", false)),
                List.of(),
                List.of());
        rig.configure("8G", shared, other);
        rig.hypervisor.capabilities(EnumSet.of(HypervisorCapability.ADOPTION));
        rig.start();
        rig.queue(shared);
        assertThat(rig.told.awaitEnd(shared.id()).reason()).contains("SHARED_DIRECTORIES");
        rig.queue(other);
        assertThat(rig.nextVm().spec().shellSocket()).isEmpty();
        rig.told.awaitEnd(other.id());
    }

    // ---- at the end of a machine

    @Test
    public void aDiskThatCannotBePromotedIsKeptAndTheOldImageStays() throws Exception {
        rig.script = (vm, job) -> {
            ForrestRig.install(vm, "hours of work");
            ForrestRig.persist(vm);
        };
        rig.images.put(
                build.id(), new byte[] {'o', 'l', 'd'}, rig.clock.instant().plus(Duration.ofDays(9999)));
        rig.images.hooks().failNext(InMemoryImageStore.Call.PROMOTE, PluginException.Kind.BROKEN);
        rig.start();
        rig.queue(build);
        assertRescued(rig.told.awaitEnd(build.id()), "told to fail PROMOTE");
        assertThat(rig.image(build)).contains("old");
    }

    @Test
    public void aDiskThatABugKeepsFromBeingPromotedIsKeptToo() throws Exception {
        rig.script = (vm, job) -> {
            ForrestRig.install(vm, "hours of work");
            ForrestRig.persist(vm);
        };
        rig.images.hooks().beforeNext(InMemoryImageStore.Call.PROMOTE, () -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.start();
        rig.queue(build);
        assertRescued(rig.told.awaitEnd(build.id()), "a bug in a plugin");
    }

    private void assertRescued(MachineSnapshot gone, String reason) throws IOException {
        assertThat(gone.outcome().orElseThrow().disk()).isEqualTo(MachineOutcome.Disk.RESCUED);
        assertThat(gone.outcome().orElseThrow().reason()).contains("should have become the machine image", reason);
        assertThat(rig.leftOf(gone.id())).containsExactly("disk.img.rescued", "log.txt", "machine.json");
        assertThat(Files.readString(rig.runDirectory(gone.id()).resolve("disk.img.rescued")))
                .startsWith("hours of work");
        assertThat(rig.broker.sightings(TestConfigs.REPOSITORY)).isEmpty();
    }

    @Test
    public void aBugInWhatReadsTheVolumesEndsTheMachineWithoutPersistingIt() throws Exception {
        rig.script = (vm, job) -> ForrestRig.persist(vm);
        rig.volumes.hooks().beforeNext(FakeGuestVolumes.Call.READ, () -> {
            throw new NoClassDefFoundError("a library that a plugin lacks");
        });
        rig.start();
        rig.queue(build);
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.outcome().orElseThrow().disk()).isEqualTo(MachineOutcome.Disk.DISCARDED);
        assertThat(rig.image(build)).isEmpty();
        rig.assertNothingLeftOf(gone.id());
    }

    @Test
    public void aRunnerThatCannotBeRemovedDoesNotKeepItsMachine() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        rig.broker.hooks().beforeNext(FakeRunnerBroker.Call.REMOVE, () -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.start();
        rig.queue(build);
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.STARTING);
        vm.crash();
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(rig.leftOf(gone.id())).containsExactly("log.txt", "machine.json");
    }

    // ---- the forge

    @DataProvider
    public Object[][] withdrawalFailures() {
        CallHooks.Hook outage = () -> {
            throw new PluginException(PluginException.Kind.RETRY_LATER, "503");
        };
        CallHooks.Hook bug = () -> {
            throw new IllegalStateException("a bug in a plugin");
        };
        return new Object[][] {{"an outage", outage}, {"a bug", bug}};
    }

    @Test(dataProvider = "withdrawalFailures")
    public void aSurplusMachineWhoseRunnerCouldNotBeWithdrawnIsTriedAgain(String name, CallHooks.Hook failure)
            throws Exception {
        rig.hypervisor.guest(vm -> {
            rig.broker.connect(ForrestRig.runnerId(vm));
            vm.runForEver();
        });
        CountDownLatch tried = new CountDownLatch(1);
        rig.broker.hooks().beforeNext(FakeRunnerBroker.Call.REMOVE, () -> {
            tried.countDown();
            failure.run();
        });
        rig.start();
        JobId job = rig.jobs.queue(build.id());
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.STARTING);
        rig.jobs.complete(job);
        assertThat(tried.await(30, TimeUnit.SECONDS)).as(name).isTrue();
        ForrestRig.eventually("it is withdrawn", () -> {
            rig.clock.advance(Duration.ofSeconds(1));
            return rig.told.statesOf(vm.spec().machine()).contains(MachineState.STOPPED);
        });
        rig.assertNothingLeftOf(vm.spec().machine());
        assertThat(rig.told.awaitEnd(build.id()).reason()).as(name).contains("no job wants it any more");
    }

    @Test
    public void aForgeThatCannotListItsRunnersHoldsNobodyUp() throws Exception {
        rig.broker.hooks().beforeEach(FakeRunnerBroker.Call.LIST, () -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.start();
        rig.queue(build);
        rig.told.awaitEnd(build.id());
        // The sweep asks again all the same.
        CountDownLatch asked = new CountDownLatch(1);
        rig.broker.hooks().beforeEach(FakeRunnerBroker.Call.LIST, asked::countDown);
        rig.clock.advance(Duration.ofMinutes(15));
        assertThat(asked.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    public void twoStartTimeoutsInARowSetTheMachinesOwnImageAside() throws Exception {
        rig.images.put(
                build.id(), new byte[] {'b', 'a', 'd'}, rig.clock.instant().plus(Duration.ofDays(9999)));
        rig.hypervisor.guest(ForrestRig.idle());
        rig.start();
        rig.queue(build);
        timeOutTheStart(rig.nextVm());
        assertThat(rig.images.setAside(build.id())).isEmpty();
        rig.advance(Duration.ofMinutes(5));
        timeOutTheStart(rig.nextVm());
        ForrestRig.eventually("set aside", () -> rig.images.setAside(build.id()).isPresent());
        rig.advance(Duration.ofMinutes(5));
        assertThat(Files.readString(rig.nextVm().disk(ForrestRig.DISK))).startsWith("debian");
    }

    /** The forge says to the end that the runner is offline. */
    private void timeOutTheStart(FakeVm vm) throws Exception {
        MachineId machine = vm.spec().machine();
        rig.told.await(machine, MachineState.STARTING);
        // A look that comes while the last one is not answered is left out: so whoever is asked thrice was heard twice.
        int asked = 0;
        for (int minutes : new int[] {8, 1, 1, 1, 1, 1, 1}) {
            CountDownLatch look = new CountDownLatch(1);
            rig.broker.hooks().beforeEach(FakeRunnerBroker.Call.LIST, look::countDown);
            rig.clock.advance(Duration.ofMinutes(minutes));
            asked += look.await(3, TimeUnit.SECONDS) ? 1 : 0;
        }
        assertThat(asked).isGreaterThan(3);
        rig.clock.advance(Duration.ofMinutes(1));
        assertThat(rig.told.await(machine, MachineState.STOPPED).reason()).contains("did not come online within PT15M");
        rig.assertNothingLeftOf(machine);
    }

    @Test
    public void aRunnerSeenAtWorkWhoseWebhookIsLostHasTheSourcesLookForItsJob() throws Exception {
        Gate atWork = new Gate();
        rig.hypervisor.guest(vm -> {
            rig.broker.giveJob(ForrestRig.runnerId(vm));
            atWork.pass();
        });
        JobId[] job = new JobId[1];
        CompletableFuture<Void> found = new CompletableFuture<>();
        rig.jobs.onRefresh(() -> {
            rig.jobs.start(
                    job[0], rig.hypervisor.running().get(0).spec().machine().runnerName());
            found.complete(null);
        });
        rig.start();
        job[0] = rig.jobs.queue(build.id());
        atWork.awaitEntered();
        rig.told.await(machine -> machine.state() == MachineState.STARTING);
        rig.clock.advance(Duration.ofMinutes(1));
        rig.told.await(machine -> machine.state() == MachineState.RUNNING);
        found.get(10, TimeUnit.SECONDS);
        atWork.open();
        // Had the job still counted as queued, it would have had a second machine.
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.job()).contains(job[0]);
        assertThat(rig.jobs.refreshes()).isEqualTo(1);
        assertThat(rig.told.all()).extracting(MachineSnapshot::id).containsOnly(gone.id());
    }

    // ---- job sources

    @Test
    public void aSourceThatThrowsHarmsNoOtherSourceAndNoMachine() throws Exception {
        FakeJobSource bad = new FakeJobSource(rig.clock);
        bad.onStart(() -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        bad.onRefresh(() -> {
            throw new IllegalStateException("a bug in a plugin");
        });
        rig.hypervisor.guest(vm -> {});
        Forrest.Builder builder = Forrest.builder(rig.config::get)
                .imageStore(rig.images)
                .guestVolumes(rig.volumes)
                .hypervisor(rig.hypervisor)
                .runnerBroker(rig.broker)
                .jobSource(bad)
                .jobSource(rig.jobs)
                .listener(rig.told)
                .clock(rig.clock);
        Forrest forrest = rig.open(builder);
        forrest.start();
        rig.queue(build);
        // A guest that ends without a job has the sources look again.
        rig.told.awaitEnd(build.id());
        ForrestRig.eventually("both are asked", () -> bad.refreshes() == 1 && rig.jobs.refreshes() == 1);
        forrest.close();
        assertThat(bad.isClosed()).isTrue();
        assertThat(rig.jobs.isClosed()).isTrue();
    }

    @Test
    public void aSourceThatThrowsAtTheEndDoesNotKeepMachinesAlive() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        Forrest forrest = rig.open(rig.builder().jobSource(new FakeSourceWithBugAtItsEnd()));
        forrest.start();
        rig.queue(build);
        rig.nextVm();
        forrest.endMachines();
        forrest.close();
        assertThat(rig.hypervisor.running()).isEmpty();
        assertThat(rig.hypervisor.isClosed()).isTrue();
        assertThat(rig.jobs.isClosed()).isTrue();
    }

    private static final class FakeSourceWithBugAtItsEnd implements JobSource {
        @Override
        public String name() {
            return "bad";
        }

        @Override
        public void start(JobSink sink) {}

        @Override
        public void close() {
            throw new IllegalStateException("a bug in a plugin");
        }
    }

    @Test
    public void aSourceThatBlocksInARefreshHoldsNobodyUp() throws Exception {
        Gate stuck = new Gate();
        rig.jobs.onRefresh(() -> {
            try {
                stuck.pass();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        rig.hypervisor.guest(vm -> {});
        Forrest forrest = rig.start();
        rig.queue(build);
        stuck.awaitEntered();
        assertThat(forrest.machines().get(10, TimeUnit.SECONDS)).isNotNull();
        stuck.open();
    }

    @Test
    public void aBaseThatIsNeverPersistedIsWhatItsDerivedMachineWaitsFor() throws Exception {
        MachineType derived = rig.derived("derived", "1G", build);
        rig.configure("8G", build, derived);
        rig.start();
        rig.queue(derived);
        MachineSnapshot waiting = rig.told.await(machine ->
                machine.state() == MachineState.REQUESTED && machine.reason().contains("the next try is at"));
        assertThat(waiting.reason()).contains("The base acme/firmware/build has no machine image yet");
        rig.script = (vm, job) -> ForrestRig.persist(vm);
        rig.queue(build);
        // No back-off has to end: the promotion is what it waits for.
        rig.told.awaitEnd(build.id());
        rig.told.await(
                2,
                machine -> machine.state() == MachineState.STOPPED
                        && machine.outcome()
                                .map(MachineOutcome::disk)
                                .equals(Optional.of(MachineOutcome.Disk.PROMOTED)));
    }
}
