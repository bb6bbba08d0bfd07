package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.testing.FakeVm;
import io.forrest.testing.Gate;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Machines outlive the Forrest that started them, and the next one goes on with them. */
public class ForrestAdoptionTest {
    private ForrestRig rig;
    private MachineType build;
    private Gate job;
    private Forrest first;

    @BeforeMethod
    public void setUp() throws IOException {
        rig = new ForrestRig();
        build = rig.type("build", "4G");
        rig.configure("8G", build);
        job = new Gate();
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        job.open();
        rig.close();
    }

    /** A Forrest with one machine, whose job goes on until it is let go and then asks for its disk to be kept. */
    private FakeVm machineAtWork() throws Exception {
        rig.script = (vm, id) -> {
            ForrestRig.install(vm, "installed");
            ForrestRig.persist(vm);
            job.pass();
        };
        first = rig.start();
        rig.queue(build);
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.RUNNING);
        job.awaitEntered();
        return vm;
    }

    /** The one before is closed, and another comes. */
    private Forrest next() throws HostCheckException {
        rig.nextProcess();
        return rig.start();
    }

    private Path record(MachineId machine) {
        return rig.runDirectory(machine).resolve("machine.json");
    }

    @Test
    public void aJobGoesOnOverTheEndOfForrestAndItsDiskIsPromotedByTheNextOne() throws Exception {
        FakeVm vm = machineAtWork();
        MachineId machine = vm.spec().machine();
        first.close();
        assertThat(vm.isRunning()).isTrue();
        assertThat(rig.broker.runnerId(machine.runnerName())).isPresent();
        assertThat(rig.leftOf(machine)).contains("disk.img", "job-config.img", "machine.json");

        Forrest second = next();
        MachineSnapshot adopted = second.machines().get().get(0);
        assertThat(adopted.id()).isEqualTo(machine);
        assertThat(adopted.state()).isEqualTo(MachineState.RUNNING);
        assertThat(adopted.processId()).isEqualTo(vm.processId());
        assertThat(adopted.job()).isPresent();
        job.open();
        MachineSnapshot gone = rig.told.awaitEnd(build.id());
        assertThat(gone.outcome().orElseThrow().disk()).isEqualTo(MachineOutcome.Disk.PROMOTED);
        assertThat(rig.image(build)).contains("installed");
        rig.assertNothingLeftOf(machine);
    }

    @Test
    public void theProvenanceOfAnImageNamesTheJobThatTheEarlierForrestSaw() throws Exception {
        machineAtWork();
        first.close();
        job.open();
        next();
        rig.told.awaitEnd(build.id());
        Provenance provenance = rig.images.provenance(build.id()).orElseThrow();
        assertThat(provenance.job().orElseThrow().commit()).isPresent();
        assertThat(provenance.origin().orElseThrow().image()).isEqualTo(rig.baseImage);
    }

    @Test
    public void anAdoptedMachineHoldsItsRamEvenIfItsTypeHasLessNow() throws Exception {
        machineAtWork();
        first.close();
        MachineType smaller = rig.type("build", "1G");
        MachineType large = rig.type("large", "6G");
        rig.configure("8G", smaller, large);
        next();
        rig.queue(large);
        MachineSnapshot held = rig.told.await(machine ->
                machine.type().id().equals(large.id()) && machine.reason().contains("waits for 6G of RAM"));
        assertThat(held.reason()).contains("4G is free");
        job.open();
        rig.told.awaitEnd(large.id());
    }

    @Test
    public void aGuestThatShutDownWhileNoForrestRanIsPromotedByTheNext() throws Exception {
        FakeVm vm = machineAtWork();
        first.close();
        job.open();
        vm.exit().toCompletableFuture().get();
        assertThat(rig.image(build)).isEmpty();
        next();
        rig.told.awaitEnd(build.id());
        assertThat(rig.image(build)).contains("installed");
        rig.assertNothingLeftOf(vm.spec().machine());
    }

    @Test
    public void aVmThatDiedWhileNoForrestRanIsThrownAwayWhateverItsJobAskedFor() throws Exception {
        FakeVm vm = machineAtWork();
        first.close();
        vm.crash();
        vm.exit().toCompletableFuture().get();
        next();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.DISCARDED);
        assertThat(rig.image(build)).isEmpty();
        assertThat(rig.leftOf(vm.spec().machine())).containsExactly("log.txt", "machine.json");
    }

    @Test
    public void theTokenThatCountsIsTheOneItsRepositoryHadWhenTheMachineWasLaunched() throws Exception {
        machineAtWork();
        first.close();
        rig.configure(Optional.of(Secret.of("another-token")), "8G", build);
        next();
        job.open();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.PROMOTED);
    }

    @Test
    public void aPromotionThatWaitsForDiskSpaceIsTriedAgainUntilItWorks() throws Exception {
        rig.images.hooks().beforeNext(InMemoryImageStore.Call.PROMOTE, () -> {
            throw new PluginException(PluginException.Kind.RETRY_LATER, "the disk is full");
        });
        FakeVm vm = machineAtWork();
        job.open();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.PROMOTED);
        rig.assertNothingLeftOf(vm.spec().machine());
    }

    @Test
    public void aPromotionThatIsCutOffIsDoneByTheNextForrestEvenIfTheGuestsVolumesAreGone() throws Exception {
        Gate full = new Gate();
        rig.images.hooks().beforeEach(InMemoryImageStore.Call.PROMOTE, () -> {
            full.open();
            throw new PluginException(PluginException.Kind.RETRY_LATER, "the disk is full");
        });
        FakeVm vm = machineAtWork();
        job.open();
        full.run();
        ForrestRig.eventually("it is written down", () -> isPromoting(vm.spec().machine()));
        first.close();
        Files.delete(rig.runDirectory(vm.spec().machine()).resolve("job-config.img"));
        rig.images.hooks().beforeEach(InMemoryImageStore.Call.PROMOTE, () -> {});
        next();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.PROMOTED);
        assertThat(rig.image(build)).contains("installed");
    }

    private boolean isPromoting(MachineId machine) {
        try {
            return Files.readString(record(machine)).contains("PROMOTING");
        } catch (IOException e) {
            return false;
        }
    }

    @DataProvider
    public Object[][] damage() {
        return new Object[][] {{""}, {"{\"format\": 99}"}, {"{\"format\": 1, \"runner\": \"forrest-bu"}};
    }

    @Test(dataProvider = "damage")
    public void aMachineWhoseRecordCannotBeReadGoesOnByWhatTheConfigurationSays(String content) throws Exception {
        FakeVm vm = machineAtWork();
        first.close();
        Files.writeString(record(vm.spec().machine()), content);
        Forrest second = next();
        assertThat(second.machines().get())
                .singleElement()
                .satisfies(adopted -> assertThat(adopted.type().ram()).isEqualTo(build.ram()));
        assertThat(rig.leftOf(vm.spec().machine())).contains("machine.json", "machine.json.unreadable");
        job.open();
        assertThat(rig.told.awaitEnd(build.id()).outcome().orElseThrow().disk())
                .isEqualTo(MachineOutcome.Disk.PROMOTED);
    }

    @Test
    public void aVmWithoutRecordAndWithoutMachineTypeIsEndedAndItsRunnerRemoved() throws Exception {
        FakeVm vm = machineAtWork();
        first.close();
        Files.writeString(record(vm.spec().machine()), "");
        rig.configure("8G", rig.type("other", "1G"));
        rig.broker.endJob(rig.broker.runnerId(vm.spec().machine().runnerName()).orElseThrow());
        Forrest second = next();
        assertThat(vm.isRunning()).isFalse();
        assertThat(second.machines().get()).isEmpty();
        assertThat(rig.leftOf(vm.spec().machine())).containsExactly("log.txt", "machine.json.unreadable");
    }

    @Test
    public void aRunnerWhoseNumberIsLostIsWithdrawnByItsName() throws Exception {
        rig.hypervisor.guest(ForrestRig.idle());
        first = rig.start();
        JobId queued = rig.queue(build);
        FakeVm vm = rig.nextVm();
        rig.told.await(vm.spec().machine(), MachineState.STARTING);
        first.close();
        Files.writeString(record(vm.spec().machine()), "");
        next();
        rig.jobs.complete(queued);
        // Nobody wants it any more, once it had the time to be known.
        rig.advance(Duration.ofMinutes(10));
        rig.told.awaitEnd(build.id());
        assertThat(vm.isRunning()).isFalse();
        ForrestRig.eventually(
                "its runner is removed",
                () -> rig.broker.sightings(TestConfigs.REPOSITORY).isEmpty());
    }

    @Test
    public void aMachineThatNeverGotAVmIsClearedAwayWithItsRunner() throws Exception {
        FakeVm vm = machineAtWork();
        MachineId killed = MachineId.random(build.id());
        Files.createDirectories(rig.runDirectory(killed));
        // As if its Forrest had been killed before its VM was started.
        Files.writeString(
                record(killed),
                Files.readString(record(vm.spec().machine()))
                        .replace(vm.spec().machine().runnerName(), killed.runnerName())
                        .replace("STARTED", "LAUNCHING"));
        Files.writeString(rig.runDirectory(killed).resolve("disk.img"), "disk");
        rig.broker.registerElsewhere(TestConfigs.REPOSITORY, killed.runnerName());
        first.close();
        Forrest second = next();
        assertThat(second.machines().get()).extracting(MachineSnapshot::id).doesNotContain(killed);
        assertThat(rig.leftOf(killed)).containsExactly("machine.json");
        assertThat(record(killed)).content().contains("OVER").doesNotContain("persistence_token");
        ForrestRig.eventually(
                "its runner is removed",
                () -> rig.broker.runnerId(killed.runnerName()).isEmpty());
    }

    @Test
    public void drainingLetsTheJobsEndTakesNoNewOnesAndSaysWhenAllIsDone() throws Exception {
        FakeVm vm = machineAtWork();
        CompletableFuture<Void> drained = first.drain();
        rig.queue(build);
        rig.advance(Duration.ofMinutes(1));
        assertThat(first.machines().get())
                .extracting(MachineSnapshot::id)
                .containsExactly(vm.spec().machine());
        assertThat(drained).isNotDone();
        job.open();
        drained.get(30, TimeUnit.SECONDS);
        assertThat(first.machines().get()).isEmpty();
        assertThat(rig.image(build)).contains("installed");
        assertThat(rig.hypervisor.running()).isEmpty();
    }

    @Test
    public void endingAllMachinesLeavesNothing() throws Exception {
        FakeVm vm = machineAtWork();
        first.endMachines();
        assertThat(vm.isRunning()).isFalse();
        assertThat(rig.leftOf(vm.spec().machine())).containsExactly("log.txt", "machine.json");
        assertThat(Files.readString(record(vm.spec().machine())))
                .doesNotContain(TestConfigs.PERSISTENCE_TOKEN.reveal());
    }
}
