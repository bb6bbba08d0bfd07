package io.forrest.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.VmExit;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class FleetTest {
    private static final MachineType BUILD = TestConfigs.type("build", "4G");
    private static final MachineType DERIVED =
            TestConfigs.type("derived", "1G", Optional.of(BUILD.id()), Optional.empty(), Path.of("/nonexistent"));

    private ManualClock clock;
    private RecordedHands hands;
    private List<MachineSnapshot> told;
    private double random;
    private AtomicReference<ForrestConfig> config;
    private Fleet fleet;

    /** Does nothing and remembers what it was asked. */
    private static final class RecordedHands implements FleetHands {
        final List<MachineId> launched = new ArrayList<>();
        final List<MachineId> ended = new ArrayList<>();
        final List<String> endReasons = new ArrayList<>();
        final List<MachineId> withdrawn = new ArrayList<>();
        final List<String> setAside = new ArrayList<>();
        final List<String> reinstated = new ArrayList<>();
        final List<String> cameUp = new ArrayList<>();
        final List<String> noted = new ArrayList<>();
        final List<Set<RepositoryId>> sighted = new ArrayList<>();
        final List<String> orphansRemoved = new ArrayList<>();
        int refreshes;
        int measurements;

        @Override
        public void launch(MachineId machine, MachineType type) {
            launched.add(machine);
        }

        @Override
        public void end(MachineId machine, String reason) {
            ended.add(machine);
            endReasons.add(reason);
        }

        @Override
        public void withdrawRunner(MachineId machine) {
            withdrawn.add(machine);
        }

        @Override
        public void noteJob(MachineId machine, JobObservation job) {
            noted.add(machine.type().type() + ": " + job.job() + " " + job.status());
        }

        @Override
        public void imageCameUp(DiskOrigin origin) {
            cameUp.add(origin.version());
        }

        @Override
        public void setImageAside(DiskOrigin origin, String reason) {
            setAside.add(origin.version());
        }

        @Override
        public void reinstateImage(DiskOrigin origin, String reason) {
            reinstated.add(origin.version());
        }

        @Override
        public void measureSpace() {
            measurements++;
        }

        @Override
        public void sightRunners(Set<RepositoryId> repositories) {
            sighted.add(repositories);
        }

        @Override
        public void removeOrphan(RepositoryId repository, long runnerId, String name) {
            orphansRemoved.add(name);
        }

        @Override
        public void refreshJobs() {
            refreshes++;
        }

        MachineId lastLaunched() {
            return launched.get(launched.size() - 1);
        }
    }

    @BeforeMethod
    public void start() {
        clock = new ManualClock(Instant.parse("2026-01-01T00:00:00Z"));
        hands = new RecordedHands();
        told = new ArrayList<>();
        random = 0;
        config = new AtomicReference<>(TestConfigs.config(Path.of("/nonexistent"), "8G", BUILD, DERIVED));
        fleet = new Fleet(config::get, hands, FleetTimings.DEFAULT, clock, told::add, () -> random);
        space("1T");
    }

    private void space(String free) {
        fleet.accept(new FleetEvent.SpaceMeasured(DataSize.parse(free)));
    }

    private void observe(long id, String type, JobStatus status, Optional<String> runner) {
        fleet.accept(new FleetEvent.JobObserved(observation(id, type, status, runner)));
        fleet.plan();
    }

    private JobObservation observation(long id, String type, JobStatus status, Optional<String> runner) {
        return new JobObservation(
                new JobId(id),
                1,
                TestConfigs.REPOSITORY,
                JobLabels.of(type),
                status,
                runner,
                Optional.empty(),
                clock.instant(),
                "test");
    }

    private void queued(long id, String type) {
        observe(id, type, JobStatus.QUEUED, Optional.empty());
    }

    private void bootUp(MachineId machine, boolean ownImage) {
        bootUp(machine, ownImage, "v1");
    }

    private void bootUp(MachineId machine, boolean ownImage, String version) {
        fleet.accept(new FleetEvent.DiskCreated(machine, new DiskOrigin(Path.of("/image"), ownImage, version)));
        fleet.accept(new FleetEvent.RunnerRegistered(machine, 5));
        fleet.accept(new FleetEvent.VmStarted(machine, clock.instant(), OptionalLong.of(99)));
    }

    private void exit(MachineId machine, MachineOutcome.Disk disk) {
        fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
        fleet.accept(new FleetEvent.MachineGone(machine, new MachineOutcome(disk, "test")));
        fleet.plan();
    }

    private void sight(RunnerSighting... runners) {
        fleet.accept(new FleetEvent.RunnersSighted(TestConfigs.REPOSITORY, List.of(runners)));
        fleet.plan();
    }

    private MachineState state(MachineId machine) {
        return fleet.machines().stream()
                .filter(snapshot -> snapshot.id().equals(machine))
                .map(MachineSnapshot::state)
                .findFirst()
                .orElse(MachineState.STOPPED);
    }

    @Test
    public void aJobsWayLeadsThroughAllStatesToAPromotedDisk() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        sight(new RunnerSighting(5, machine.runnerName(), true, false));
        observe(1, "build", JobStatus.IN_PROGRESS, Optional.of(machine.runnerName()));
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        exit(machine, MachineOutcome.Disk.PROMOTED);

        assertThat(told).extracting(MachineSnapshot::state).containsExactly(MachineState.values());
        assertThat(told.get(told.size() - 1).outcome())
                .contains(new MachineOutcome(MachineOutcome.Disk.PROMOTED, "test"));
        assertThat(fleet.machines()).isEmpty();
        assertThat(hands.launched).hasSize(1);
    }

    @Test
    public void aRepeatedWebhookStartsNothingMore() {
        queued(1, "build");
        queued(1, "build");
        assertThat(hands.launched).hasSize(1);
    }

    @Test
    public void aJobThatIsOverBeforeItWasQueuedStartsNothing() {
        observe(1, "build", JobStatus.COMPLETED, Optional.of("somebody else's runner"));
        queued(1, "build");
        assertThat(hands.launched).isEmpty();
    }

    @Test
    public void labelsOfNoMachineTypeStartNothingAndATypeAddedLaterIsStartedThen() {
        MachineType late = TestConfigs.type("late", "1G");
        queued(1, "late");
        assertThat(hands.launched).isEmpty();
        config.set(TestConfigs.config(Path.of("/nonexistent"), "8G", BUILD, late));
        fleet.plan();
        assertThat(hands.launched).singleElement().extracting(MachineId::type).isEqualTo(late.id());
    }

    @Test
    public void aMachineKeepsTheTypeItWasRequestedWith() {
        queued(1, "build");
        config.set(TestConfigs.config(Path.of("/nonexistent"), "8G", TestConfigs.type("build", "8G")));
        fleet.plan();
        assertThat(fleet.machines())
                .singleElement()
                .extracting(MachineSnapshot::type)
                .isEqualTo(BUILD);
    }

    @Test
    public void aMachineThatWaitsForMoreRamThanThereIsAnyMoreMakesWayForOneOfTheNewRecipe() {
        config.set(TestConfigs.config(Path.of("/nonexistent"), "8G", TestConfigs.type("build", "8G"), DERIVED));
        queued(1, "derived");
        queued(2, "build");
        assertThat(hands.launched).hasSize(1);
        config.set(TestConfigs.config(Path.of("/nonexistent"), "5G", BUILD, DERIVED));
        fleet.plan();
        assertThat(hands.launched).hasSize(2);
        assertThat(fleet.machines()).extracting(MachineSnapshot::type).containsExactly(DERIVED, BUILD);
    }

    @Test
    public void aJobCancelledBeforeItsMachineBootsHasTheRunnerWithdrawnBeforeTheVmIsEnded() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.empty());
        assertThat(hands.withdrawn).containsExactly(machine);
        assertThat(hands.ended).isEmpty();
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
        assertThat(hands.ended).containsExactly(machine);
    }

    @Test
    public void aSurplusMachineThatTookAJobInTheMeantimeGoesOn() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.empty());
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.BUSY));
        fleet.plan();
        assertThat(state(machine)).isEqualTo(MachineState.RUNNING);
        assertThat(hands.ended).isEmpty();
        // Which job it has is found out before it makes another machine start.
        assertThat(hands.refreshes).isEqualTo(1);
    }

    @Test
    public void aSurplusMachineWhoseRunnerIsGoneByItselfHadAJobAndMayShutDownInPeace() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        // It had another job, whose webhooks are late.
        observe(1, "build", JobStatus.IN_PROGRESS, Optional.of("somebody else's runner"));
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.ALREADY_GONE));
        fleet.plan();
        assertThat(state(machine)).isEqualTo(MachineState.STOPPING);
        assertThat(hands.ended).isEmpty();
        assertThat(hands.refreshes).isEqualTo(1);
        clock.advance(Duration.ofMinutes(15));
        fleet.tick();
        assertThat(hands.ended).containsExactly(machine);
    }

    @Test
    public void aRunnerThatIsNeverWithdrawnIsTriedEverMoreSeldom() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        sight(new RunnerSighting(5, machine.runnerName(), true, false));
        observe(1, "build", JobStatus.COMPLETED, Optional.empty());
        for (int seconds : new int[] {30, 60, 120, 240, 480, 600, 600}) {
            int tries = hands.withdrawn.size();
            fleet.accept(new FleetEvent.WithdrawalFailed(machine, "403"));
            clock.advance(Duration.ofSeconds(seconds - 1));
            fleet.plan();
            assertThat(hands.withdrawn).as("before %d s", seconds).hasSize(tries);
            clock.advance(Duration.ofSeconds(1));
            fleet.plan();
            assertThat(hands.withdrawn).as("after %d s", seconds).hasSize(tries + 1);
        }
        // Who drains does not wait for that.
        fleet.accept(new FleetEvent.WithdrawalFailed(machine, "403"));
        int tries = hands.withdrawn.size();
        fleet.drain(() -> {});
        assertThat(hands.withdrawn).hasSize(tries + 1);
    }

    @Test
    public void whatFailedAtOneTimeIsNotTriedAgainAtOneTime() {
        MachineType other = TestConfigs.type("other", "2G");
        config.set(TestConfigs.config(Path.of("/nonexistent"), "8G", BUILD, other));
        queued(1, "build");
        queued(2, "other");
        for (MachineId machine : List.copyOf(hands.launched)) {
            random = machine.type().equals(BUILD.id()) ? 0.5 : 0;
            fleet.accept(new FleetEvent.LaunchFailed(machine, PluginException.Kind.RETRY_LATER, "the forge is down"));
        }
        clock.advance(Duration.ofMillis(1500));
        fleet.plan();
        assertThat(hands.launched).hasSize(3);
        assertThat(hands.lastLaunched().type()).isEqualTo(BUILD.id());
        clock.advance(Duration.ofMillis(500));
        fleet.plan();
        assertThat(hands.launched).hasSize(4);
    }

    @Test
    public void aMachineThatIsGivenAJobOfAnotherTypeLeavesItsOwnJobToAnotherMachine() {
        queued(1, "build");
        MachineId thief = hands.lastLaunched();
        bootUp(thief, false);
        queued(2, "derived");
        observe(2, "derived", JobStatus.IN_PROGRESS, Optional.of(thief.runnerName()));
        assertThat(state(thief)).isEqualTo(MachineState.RUNNING);
        // Job 1 has a machine again, and nothing is started for job 2 any more.
        assertThat(fleet.machines())
                .filteredOn(machine -> machine.state().isAvailable())
                .extracting(machine -> machine.type().id())
                .containsExactly(BUILD.id());
        observe(2, "derived", JobStatus.COMPLETED, Optional.of(thief.runnerName()));
        exit(thief, MachineOutcome.Disk.DISCARDED);
        assertThat(fleet.machines()).extracting(machine -> machine.type().id()).containsExactly(BUILD.id());
    }

    @Test
    public void aMachineThatIsGivenAJobOfNoTypeOfOursLeavesItsOwnJobToAnotherMachine() {
        queued(1, "build");
        MachineId thief = hands.lastLaunched();
        bootUp(thief, false);
        fleet.accept(new FleetEvent.JobObserved(new JobObservation(
                new JobId(2),
                1,
                TestConfigs.REPOSITORY,
                List.of("self-hosted"),
                JobStatus.IN_PROGRESS,
                Optional.of(thief.runnerName()),
                Optional.empty(),
                clock.instant(),
                "test")));
        fleet.plan();
        assertThat(state(thief)).isEqualTo(MachineState.RUNNING);
        assertThat(hands.launched).hasSize(2);
        assertThat(hands.lastLaunched().type()).isEqualTo(BUILD.id());
    }

    @Test
    public void aJobThatAMachineOfAnotherTypeTookGivesUpTheMachineThatWasStartedForIt() {
        MachineType other = TestConfigs.type("other", "2G");
        config.set(TestConfigs.config(Path.of("/nonexistent"), "16G", BUILD, other));
        queued(1, "build");
        MachineId thief = hands.lastLaunched();
        bootUp(thief, false);
        queued(2, "other");
        MachineId robbed = hands.lastLaunched();
        bootUp(robbed, false);
        observe(2, "other", JobStatus.IN_PROGRESS, Optional.of(thief.runnerName()));
        assertThat(hands.withdrawn).containsExactly(robbed);
        assertThat(fleet.machines())
                .filteredOn(machine -> machine.state() == MachineState.REGISTERING)
                .extracting(machine -> machine.type().id())
                .containsExactly(BUILD.id());
    }

    @Test
    public void eachStepOfAMachinesJobIsWrittenDownOnce() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        for (int i = 0; i < 2; i++) {
            observe(1, "build", JobStatus.IN_PROGRESS, Optional.of(machine.runnerName()));
        }
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        observe(3, "build", JobStatus.IN_PROGRESS, Optional.of("somebody else's runner"));
        assertThat(hands.noted).containsExactly("build: 1 IN_PROGRESS", "build: 1 COMPLETED");
    }

    @Test
    public void whenWithdrawingFailsItIsTriedAgainLaterAndNotAtOnce() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.empty());
        fleet.accept(new FleetEvent.WithdrawalFailed(machine, "503"));
        fleet.plan();
        assertThat(hands.withdrawn).hasSize(1);
        clock.advance(Duration.ofSeconds(31));
        fleet.plan();
        assertThat(hands.withdrawn).hasSize(2);
    }

    @Test
    public void aJobThatAnotherMachineTookLeavesItsOwnDemandWithOneMachineMore() {
        queued(1, "build");
        MachineId first = hands.lastLaunched();
        bootUp(first, false);
        queued(2, "build");
        observe(2, "build", JobStatus.IN_PROGRESS, Optional.of(first.runnerName()));
        assertThat(state(first)).isEqualTo(MachineState.RUNNING);
        assertThat(hands.launched).hasSize(2);
        assertThat(state(hands.lastLaunched())).isEqualTo(MachineState.REGISTERING);
    }

    @Test
    public void aDerivedMachineWaitsForItsBaseToBePromotedThoughItsJobIsQueued() {
        queued(1, "build");
        MachineId base = hands.lastLaunched();
        bootUp(base, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.of(base.runnerName()));
        queued(2, "derived");
        assertThat(hands.launched).containsExactly(base);
        exit(base, MachineOutcome.Disk.PROMOTED);
        assertThat(hands.launched).hasSize(2);
    }

    @Test
    public void aFailedLaunchIsTriedAgainAfterABackOffAndNotBefore() {
        queued(1, "build");
        fleet.accept(new FleetEvent.LaunchFailed(
                hands.lastLaunched(), PluginException.Kind.RETRY_LATER, "the image is not there yet"));
        fleet.plan();
        assertThat(hands.launched).hasSize(1);
        assertThat(fleet.machines()).singleElement().satisfies(waiting -> assertThat(waiting.reason())
                .startsWith("the image is not there yet"));
        clock.advance(Duration.ofSeconds(2));
        fleet.plan();
        assertThat(hands.launched).hasSize(2);
    }

    @Test
    public void aLaunchThatFailsAfterItsVmWasStartedLetsGoOfTheMachineAndItsRam() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        fleet.accept(new FleetEvent.LaunchFailed(machine, PluginException.Kind.BROKEN, "a bug in a plugin"));
        assertThat(fleet.machines()).isEmpty();
    }

    @Test
    public void aPromotionEndsTheBackOffOfMachinesThatWaitedForTheImage() {
        queued(2, "derived");
        fleet.accept(new FleetEvent.LaunchFailed(
                hands.lastLaunched(), PluginException.Kind.RETRY_LATER, "the base has no image yet"));
        queued(1, "build");
        MachineId base = hands.lastLaunched();
        bootUp(base, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.of(base.runnerName()));
        exit(base, MachineOutcome.Disk.PROMOTED);
        assertThat(hands.lastLaunched().type()).isEqualTo(DERIVED.id());
        assertThat(hands.launched).hasSize(3);
    }

    @Test
    public void aGuestThatEndsWithoutAJobIsNotStartedAgainInAHotLoop() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        exit(machine, MachineOutcome.Disk.DISCARDED);
        assertThat(hands.launched).hasSize(1);
        assertThat(hands.refreshes).isEqualTo(1);
        clock.advance(Duration.ofSeconds(2));
        fleet.plan();
        assertThat(hands.launched).hasSize(2);
    }

    /** The next machine, made of {@code version}, is not seen to come up. */
    private MachineId failToStart(String version) {
        clock.advance(Duration.ofMinutes(5));
        fleet.plan();
        MachineId machine = hands.lastLaunched();
        bootUp(machine, true, version);
        timeOutTheStart(machine);
        assertThat(hands.ended).endsWith(machine);
        fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.STOPPED, "stopped")));
        fleet.accept(new FleetEvent.MachineGone(
                machine, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "start timeout")));
        return machine;
    }

    private void timeOutTheStart(MachineId machine) {
        clock.advance(Duration.ofMinutes(14));
        sight(new RunnerSighting(5, machine.runnerName(), false, false));
        clock.advance(Duration.ofMinutes(1));
        fleet.tick();
        fleet.plan();
        assertThat(hands.withdrawn).endsWith(machine);
        assertThat(hands.ended).doesNotContain(machine);
        // Until that is settled no other machine is made of an image that may be broken.
        assertThat(hands.launched).endsWith(machine);
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
    }

    @Test
    public void anImageIsSetAsideWhenTwoMachinesInARowDidNotComeUpFromIt() {
        queued(1, "build");
        failToStart("v1");
        assertThat(hands.setAside).isEmpty();
        failToStart("v1");
        assertThat(hands.setAside).containsExactly("v1");
        // Those that follow show nothing new.
        failToStart("v1");
        failToStart("v1");
        assertThat(hands.setAside).containsExactly("v1");
    }

    @Test
    public void aMachineThatComesUpSpeaksForItsImageOnceAndForEver() {
        queued(1, "build");
        failToStart("v1");
        clock.advance(Duration.ofMinutes(5));
        fleet.plan();
        MachineId good = hands.lastLaunched();
        bootUp(good, true, "v1");
        sight(new RunnerSighting(5, good.runnerName(), true, false));
        assertThat(hands.cameUp).containsExactly("v1");
        sight(new RunnerSighting(5, good.runnerName(), true, true));
        observe(1, "build", JobStatus.COMPLETED, Optional.of(good.runnerName()));
        exit(good, MachineOutcome.Disk.DISCARDED);
        queued(2, "build");
        failToStart("v1");
        failToStart("v1");
        failToStart("v1");
        assertThat(hands.setAside).isEmpty();
        assertThat(hands.cameUp).containsExactly("v1");
    }

    @Test
    public void anImageIsTakenBackOnceWhenMachinesOfItsTypeDoNotComeUpFromOthersEither() {
        queued(1, "build");
        failToStart("v2");
        failToStart("v2");
        failToStart("v1");
        assertThat(hands.reinstated).isEmpty();
        failToStart("v1");
        assertThat(hands.reinstated).containsExactly("v2");
        failToStart("v2");
        failToStart("v2");
        failToStart("v2");
        assertThat(hands.setAside).containsExactly("v2");
        assertThat(hands.reinstated).containsExactly("v2");

        // Once something comes up again, what does not is to blame again.
        clock.advance(Duration.ofMinutes(5));
        fleet.plan();
        MachineId good = hands.lastLaunched();
        bootUp(good, true, "v1");
        observe(1, "build", JobStatus.COMPLETED, Optional.of(good.runnerName()));
        exit(good, MachineOutcome.Disk.DISCARDED);
        queued(2, "build");
        failToStart("v2");
        failToStart("v2");
        assertThat(hands.setAside).containsExactly("v2", "v2");
    }

    @Test
    public void anImageThatAMachineComesUpFromAfterItWasSetAsideIsTakenBack() {
        config.set(TestConfigs.config(Path.of("/nonexistent"), "16G", BUILD));
        queued(1, "build");
        queued(2, "build");
        MachineId slow = hands.lastLaunched();
        MachineId first = hands.launched.get(0);
        bootUp(slow, true, "v2");
        fleet.accept(new FleetEvent.LaunchFailed(first, PluginException.Kind.RETRY_LATER, "no space"));
        for (int i = 0; i < 2; i++) {
            clock.advance(Duration.ofMinutes(3));
            fleet.tick();
            fleet.plan();
            MachineId machine = hands.lastLaunched();
            bootUp(machine, true, "v2");
            fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
            fleet.accept(
                    new FleetEvent.MachineGone(machine, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "test")));
            fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
        }
        clock.advance(Duration.ofMinutes(3));
        fleet.tick();
        assertThat(hands.setAside).containsExactly("v2");
        sight(new RunnerSighting(5, slow.runnerName(), true, false));
        assertThat(hands.reinstated).containsExactly("v2");
        assertThat(hands.cameUp).containsExactly("v2");
    }

    @Test
    public void anImageStaysSetAsideWhenAMachineComesUpFromAnother() {
        queued(1, "build");
        failToStart("v2");
        failToStart("v2");
        failToStart("v1");
        clock.advance(Duration.ofMinutes(5));
        fleet.plan();
        MachineId good = hands.lastLaunched();
        bootUp(good, true, "v1");
        observe(1, "build", JobStatus.COMPLETED, Optional.of(good.runnerName()));
        exit(good, MachineOutcome.Disk.DISCARDED);
        queued(2, "build");
        failToStart("v1");
        failToStart("v1");
        assertThat(hands.reinstated).isEmpty();
    }

    @Test
    public void aLateStartWhoseRunnerMayHaveBeenOnlineUnseenBlamesNoImage() {
        queued(1, "build");
        for (int i = 0; i < 3; i++) {
            MachineId machine = hands.lastLaunched();
            bootUp(machine, true);
            sight(new RunnerSighting(5, machine.runnerName(), false, false));
            // The forge can be asked again only now.
            clock.advance(Duration.ofMinutes(15));
            fleet.tick();
            fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
            fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.STOPPED, "stopped")));
            fleet.accept(new FleetEvent.MachineGone(
                    machine, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "start timeout")));
            clock.advance(Duration.ofMinutes(5));
            fleet.plan();
        }
        assertThat(hands.ended).hasSize(3);
        assertThat(hands.setAside).isEmpty();
    }

    @Test
    public void aMachineThatIsLateSoonIsLookedForOnce() {
        queued(1, "build");
        bootUp(hands.lastLaunched(), true);
        clock.advance(Duration.ofMinutes(13).plusSeconds(30));
        fleet.tick();
        hands.sighted.clear();
        clock.advance(Duration.ofSeconds(30));
        fleet.tick();
        fleet.tick();
        assertThat(hands.sighted).containsExactly(Set.of(TestConfigs.REPOSITORY));
    }

    @Test
    public void launchesThatFailAndVmsThatCrashBlameNoImage() {
        queued(1, "build");
        for (int i = 0; i < 3; i++) {
            MachineId machine = hands.lastLaunched();
            bootUp(machine, true);
            if (i == 0) {
                fleet.accept(new FleetEvent.LaunchFailed(machine, PluginException.Kind.BROKEN, "no KVM"));
            } else {
                fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.FAILED, "killed")));
                fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
                fleet.accept(new FleetEvent.MachineGone(
                        machine, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "it crashed")));
            }
            clock.advance(Duration.ofMinutes(5));
            fleet.tick();
            fleet.plan();
        }
        assertThat(hands.launched).hasSize(4);
        assertThat(hands.setAside).isEmpty();
    }

    /** The next machine's guest powers off before anybody saw it come up. */
    private MachineId endEarly(RunnerBroker.Removal removal) {
        clock.advance(Duration.ofMinutes(5));
        fleet.tick();
        fleet.plan();
        MachineId machine = hands.lastLaunched();
        bootUp(machine, true);
        fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
        fleet.accept(new FleetEvent.MachineGone(machine, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "test")));
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, removal));
        return machine;
    }

    @Test
    public void guestsThatPowerOffBeforeTheyCameUpBlameTheirImageOnceNewsOfAJobWouldHaveCome() {
        queued(1, "build");
        endEarly(RunnerBroker.Removal.REMOVED);
        endEarly(RunnerBroker.Removal.REMOVED);
        fleet.tick();
        assertThat(hands.setAside).isEmpty();
        clock.advance(Duration.ofMinutes(2));
        fleet.tick();
        assertThat(hands.setAside).containsExactly("v1");
    }

    @Test
    public void aGuestThatPowersOffAndWhoseRunnerWasGoneHadAJobPerhapsAndBlamesNoImage() {
        queued(1, "build");
        for (int i = 0; i < 3; i++) {
            endEarly(RunnerBroker.Removal.ALREADY_GONE);
        }
        clock.advance(Duration.ofMinutes(5));
        fleet.tick();
        assertThat(hands.setAside).isEmpty();
    }

    @Test
    public void lateNewsOfTheJobOfAGuestThatPoweredOffSpeaksForItsImage() {
        queued(1, "build");
        endEarly(RunnerBroker.Removal.REMOVED);
        MachineId fast = endEarly(RunnerBroker.Removal.REMOVED);
        observe(2, "build", JobStatus.COMPLETED, Optional.of(fast.runnerName()));
        assertThat(hands.cameUp).containsExactly("v1");
        clock.advance(Duration.ofMinutes(5));
        fleet.tick();
        assertThat(hands.setAside).isEmpty();
    }

    @Test
    public void aMachineThatIsAtWorkUnseenWhenItsStartTimesOutGoesOnAndItsImageStays() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, true);
        clock.advance(Duration.ofMinutes(15));
        fleet.tick();
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.BUSY));
        clock.advance(Duration.ofHours(1));
        fleet.tick();
        assertThat(state(machine)).isEqualTo(MachineState.RUNNING);
        assertThat(hands.ended).isEmpty();
        assertThat(hands.setAside).isEmpty();
    }

    @Test
    public void whileTheForgeCannotBeAskedAStartHasTwiceItsTimeAndItsImageIsNotBlamed() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, true);
        for (int minutes = 15; minutes < 30; minutes++) {
            clock.advance(Duration.ofMinutes(minutes == 15 ? 15 : 1));
            fleet.tick();
            fleet.tick();
            assertThat(hands.withdrawn).as("after %d min", minutes).hasSize(minutes - 14);
            fleet.accept(new FleetEvent.WithdrawalFailed(machine, "503"));
            assertThat(hands.ended).isEmpty();
        }
        clock.advance(Duration.ofMinutes(1));
        fleet.tick();
        assertThat(hands.ended).containsExactly(machine);
        assertThat(hands.setAside).isEmpty();
    }

    @Test
    public void aGuestThatDoesNotPowerOffAfterItsJobIsEndedWhenItsTimeIsOverAndOnce() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.IN_PROGRESS, Optional.of(machine.runnerName()));
        clock.advance(Duration.ofHours(10));
        fleet.tick();
        assertThat(hands.ended).isEmpty();

        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        clock.advance(Duration.ofMinutes(15).minusSeconds(1));
        fleet.tick();
        assertThat(hands.ended).isEmpty();
        clock.advance(Duration.ofSeconds(1));
        fleet.tick();
        fleet.tick();
        assertThat(hands.ended).containsExactly(machine);
        assertThat(hands.endReasons).singleElement().asString().contains("did not power off", "PT15M");
    }

    @Test
    public void aJobThatIsOverBeforeItsVmIsKnownToRunLeavesOnlyTheEndToWaitFor() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        fleet.accept(new FleetEvent.RunnerRegistered(machine, 5));
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        fleet.accept(new FleetEvent.VmStarted(machine, clock.instant(), OptionalLong.of(99)));
        assertThat(state(machine)).isEqualTo(MachineState.STOPPING);
        clock.advance(Duration.ofMinutes(15));
        fleet.tick();
        assertThat(hands.ended).containsExactly(machine);
    }

    @Test
    public void aPromotionThatTakesLongIsNotTakenForAGuestThatDoesNotPowerOff() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
        clock.advance(Duration.ofHours(1));
        fleet.tick();
        assertThat(hands.ended).isEmpty();
    }

    @Test
    public void aRunnerSeenAtWorkWithoutAKnownJobHasItsJobLookedForOnce() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        RunnerSighting busy = new RunnerSighting(5, machine.runnerName(), true, true);
        sight(busy);
        sight(busy);
        assertThat(hands.refreshes).isEqualTo(1);
        assertThat(state(machine)).isEqualTo(MachineState.RUNNING);
    }

    @Test
    public void aMachineThatHangsBeforeItsJobCameMakesWayForAnother() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        RunnerSighting online = new RunnerSighting(5, machine.runnerName(), true, false);
        RunnerSighting offline = new RunnerSighting(5, machine.runnerName(), false, false);
        sight(online);
        sight(offline);
        clock.advance(Duration.ofMinutes(15));
        // It was only out of sight.
        sight(online);
        sight(offline);
        assertThat(hands.withdrawn).isEmpty();
        clock.advance(Duration.ofMinutes(15));
        sight(offline);
        assertThat(hands.withdrawn).containsExactly(machine);
        assertThat(hands.launched).hasSize(2);
        fleet.accept(new FleetEvent.RunnerWithdrawn(machine, RunnerBroker.Removal.REMOVED));
        assertThat(hands.ended).containsExactly(machine);
        assertThat(hands.endReasons).containsExactly("its runner went offline");
    }

    @Test
    public void aRunnerSeenAtWorkWithAKnownJobIsNoReasonToLook() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.IN_PROGRESS, Optional.of(machine.runnerName()));
        sight(new RunnerSighting(5, machine.runnerName(), true, true));
        assertThat(hands.refreshes).isZero();
    }

    @Test
    public void anUnknownOfflineRunnerOfOursIsRemovedOnceItIsOldAndOthersNever() {
        RunnerSighting orphan = new RunnerSighting(8, "forrest-build-AAAAAAAAAAAAAAAA", false, false);
        RunnerSighting[] all = {
            orphan,
            new RunnerSighting(9, "forrest-build-BBBBBBBBBBBBBBBB", true, false),
            new RunnerSighting(10, "forrest-build-CCCCCCCCCCCCCCCC", false, true),
            new RunnerSighting(11, "somebody-else", false, false)
        };
        sight(all);
        assertThat(hands.orphansRemoved).isEmpty();
        clock.advance(Duration.ofMinutes(15));
        sight(all);
        assertThat(hands.orphansRemoved).containsExactly(orphan.name());
    }

    @Test
    public void theSweepLooksAtAllRepositoriesAtItsPaceAndOftenerWhileAMachineStarts() {
        fleet.tick();
        assertThat(hands.sighted).containsExactly(Set.of(TestConfigs.REPOSITORY));
        clock.advance(Duration.ofMinutes(2));
        fleet.tick();
        assertThat(hands.sighted).hasSize(1);
        queued(1, "build");
        bootUp(hands.lastLaunched(), false);
        clock.advance(Duration.ofMinutes(1));
        fleet.tick();
        assertThat(hands.sighted).hasSize(2);
    }

    @Test
    public void lateNewsOfMachinesThatAreGoneChangesNothing() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        exit(machine, MachineOutcome.Disk.DISCARDED);
        int before = told.size();
        bootUp(machine, false);
        sight(new RunnerSighting(5, machine.runnerName(), true, true));
        exit(machine, MachineOutcome.Disk.PROMOTED);
        assertThat(told).hasSize(before);
    }

    @Test
    public void theRamOfAMachineIsFreeAsSoonAsItsVmHasEndedAndTheBooksEndAtZero() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        assertThat(fleet.books().claimedRam()).isEqualTo(BUILD.ram());
        assertThat(fleet.books().claimedDisk()).isEqualTo(BUILD.disk());
        bootUp(machine, false);
        observe(1, "build", JobStatus.COMPLETED, Optional.of(machine.runnerName()));
        fleet.accept(new FleetEvent.VmExited(machine, new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")));
        assertThat(fleet.books().claimedRam()).isEqualTo(DataSize.ZERO);
        // Its disk may be on its way to become the machine image.
        assertThat(fleet.books().claimedDisk()).isEqualTo(BUILD.disk());
        assertThat(fleet.books().machines()).singleElement().satisfies(ended -> {
            assertThat(ended.state()).isEqualTo(MachineState.STOPPING);
            assertThat(ended.vmExit()).isPresent();
        });
        fleet.accept(new FleetEvent.MachineGone(
                machine, new MachineOutcome(MachineOutcome.Disk.PROMOTED, "it asked for it")));
        assertThat(fleet.books())
                .isEqualTo(new FleetBooks(DataSize.ZERO, DataSize.ZERO, Optional.of(DataSize.parse("1T")), List.of()));
    }

    @Test
    public void aStoreThatRunsFullStopsNewMachinesUntilThereIsSpaceAgain() {
        space("0B");
        queued(1, "build");
        assertThat(hands.launched).isEmpty();
        assertThat(fleet.machines()).singleElement().satisfies(waiting -> assertThat(waiting.reason())
                .isEqualTo("waits for 1M of disk space, of which 0B is free"));
        space("1G");
        fleet.plan();
        assertThat(hands.launched).hasSize(1);
    }

    @Test
    public void freeSpaceIsMeasuredAtOnceNowAndThenAndWhenAMachineIsGone() {
        fleet.tick();
        fleet.tick();
        assertThat(hands.measurements).isEqualTo(1);
        clock.advance(Duration.ofSeconds(5));
        fleet.tick();
        assertThat(hands.measurements).isEqualTo(2);
        queued(1, "build");
        fleet.accept(new FleetEvent.LaunchFailed(hands.lastLaunched(), PluginException.Kind.BROKEN, "I/O error"));
        assertThat(hands.measurements).isEqualTo(3);
    }

    private MachineId adopt(JobStatus... job) {
        return adopt(clock.instant().minus(Duration.ofMinutes(5)), job);
    }

    /** A machine that an earlier Forrest started, with or without a job 1. */
    private MachineId adopt(Instant vmStartedAt, JobStatus... job) {
        MachineId machine = MachineId.random(BUILD.id());
        fleet.adopt(new AdoptedMachine(
                machine,
                BUILD,
                vmStartedAt.minusSeconds(10),
                vmStartedAt,
                OptionalLong.of(99),
                Optional.of(new DiskOrigin(Path.of("/image"), true, "v1")),
                Arrays.stream(job)
                        .map(status -> observation(1, "build", status, Optional.of(machine.runnerName())))
                        .findFirst()));
        return machine;
    }

    @Test
    public void anAdoptedMachineHoldsItsRamAndIsWhereItsJobSaysItIs() {
        MachineId starting = adopt();
        assertThat(state(starting)).isEqualTo(MachineState.STARTING);
        assertThat(told).singleElement().satisfies(snapshot -> {
            assertThat(snapshot.id()).isEqualTo(starting);
            assertThat(snapshot.processId()).hasValue(99);
            assertThat(snapshot.since()).isEqualTo(clock.instant().minus(Duration.ofMinutes(5)));
            assertThat(snapshot.vmStartedAt()).contains(snapshot.since());
        });
        assertThat(state(adopt(JobStatus.IN_PROGRESS))).isEqualTo(MachineState.RUNNING);
        queued(3, "build");
        // The idle one of the two is to take it: another would not even fit.
        assertThat(hands.launched).isEmpty();
        queued(4, "build");
        assertThat(hands.launched).isEmpty();
        assertThat(fleet.machines())
                .filteredOn(machine -> machine.state() == MachineState.REQUESTED)
                .hasSize(1);
    }

    @Test
    public void anAdoptedMachineWhoseJobIsOverHasAllItsTimeToPowerOff() {
        MachineId machine = adopt(clock.instant().minus(Duration.ofDays(1)), JobStatus.COMPLETED);
        assertThat(state(machine)).isEqualTo(MachineState.STOPPING);
        clock.advance(Duration.ofMinutes(15).minusSeconds(1));
        fleet.tick();
        assertThat(hands.ended).isEmpty();
        clock.advance(Duration.ofSeconds(1));
        fleet.tick();
        assertThat(hands.ended).containsExactly(machine);
    }

    @Test
    public void theJobOfAnAdoptedMachineIsKnownAndALateWebhookStartsNothingForIt() {
        adopt(JobStatus.IN_PROGRESS);
        queued(1, "build");
        assertThat(hands.launched).isEmpty();
        assertThat(fleet.machines()).hasSize(1);
    }

    @Test
    public void anAdoptedMachineIsNotSurplusBeforeSourcesHadTheTimeToTellOfItsJob() {
        MachineId machine = adopt();
        fleet.tick();
        fleet.plan();
        // Its runner is looked at at once.
        assertThat(hands.sighted).containsExactly(Set.of(TestConfigs.REPOSITORY));
        clock.advance(Duration.ofMinutes(2).minusSeconds(1));
        fleet.plan();
        assertThat(hands.withdrawn).isEmpty();
        clock.advance(Duration.ofSeconds(1));
        fleet.plan();
        assertThat(hands.withdrawn).containsExactly(machine);
    }

    @Test
    public void theStartOfAnAdoptedMachineIsTimedFromTheStartOfItsVm() {
        queued(1, "build");
        MachineId machine = adopt();
        fleet.plan();
        clock.advance(Duration.ofMinutes(10).minusSeconds(1));
        fleet.tick();
        assertThat(hands.withdrawn).isEmpty();
        clock.advance(Duration.ofSeconds(1));
        fleet.tick();
        assertThat(hands.withdrawn).containsExactly(machine);
    }

    @Test
    public void anAdoptedMachineThatStartedLongAgoIsNotCalledLateBeforeItsRunnerCouldBeSeen() {
        MachineId machine = adopt(clock.instant().minus(Duration.ofDays(1)));
        queued(1, "build");
        fleet.tick();
        assertThat(hands.withdrawn).isEmpty();
        sight(new RunnerSighting(5, machine.runnerName(), true, false));
        clock.advance(Duration.ofMinutes(2));
        fleet.tick();
        fleet.plan();
        assertThat(state(machine)).isEqualTo(MachineState.WAITING);
        assertThat(hands.withdrawn).isEmpty();
        assertThat(hands.ended).isEmpty();
    }

    @Test
    public void anAdoptedMachineWhoseVmHasEndedMeanwhileGoesTheUsualWay() {
        MachineId machine = adopt(JobStatus.IN_PROGRESS);
        exit(machine, MachineOutcome.Disk.PROMOTED);
        assertThat(fleet.machines()).isEmpty();
        assertThat(told.get(told.size() - 1).outcome())
                .contains(new MachineOutcome(MachineOutcome.Disk.PROMOTED, "test"));
    }

    @Test
    public void drainingStartsNothingLetsJobsRunToTheirEndAndSaysWhenAllAreGone() {
        queued(1, "build");
        MachineId running = hands.lastLaunched();
        bootUp(running, false);
        observe(1, "build", JobStatus.IN_PROGRESS, Optional.of(running.runnerName()));
        config.set(TestConfigs.config(Path.of("/nonexistent"), "5G", BUILD, DERIVED));
        queued(2, "build");
        int[] empty = {0};
        fleet.drain(() -> empty[0]++);
        fleet.drain(() -> empty[0]++);
        queued(3, "build");
        // What only waited is gone at once, and a new job is left to whoever comes after.
        assertThat(fleet.machines())
                .singleElement()
                .extracting(MachineSnapshot::id)
                .isEqualTo(running);
        assertThat(hands.withdrawn).isEmpty();
        assertThat(hands.ended).isEmpty();
        observe(1, "build", JobStatus.COMPLETED, Optional.of(running.runnerName()));
        assertThat(empty[0]).isZero();
        exit(running, MachineOutcome.Disk.PROMOTED);
        assertThat(empty[0]).isEqualTo(2);
        assertThat(hands.launched).hasSize(1);
    }

    @Test
    public void drainingTakesTheRunnersOfIdleMachinesFirstAndABusyOneGoesOn() {
        queued(1, "build");
        queued(2, "build");
        MachineId idle = hands.launched.get(0);
        MachineId busy = hands.launched.get(1);
        bootUp(idle, false);
        bootUp(busy, false);
        boolean[] empty = {false};
        fleet.drain(() -> empty[0] = true);
        assertThat(hands.withdrawn).containsExactly(idle, busy);
        assertThat(hands.ended).isEmpty();
        fleet.accept(new FleetEvent.RunnerWithdrawn(idle, RunnerBroker.Removal.REMOVED));
        fleet.accept(new FleetEvent.RunnerWithdrawn(busy, RunnerBroker.Removal.BUSY));
        fleet.plan();
        assertThat(hands.ended).containsExactly(idle);
        assertThat(state(busy)).isEqualTo(MachineState.RUNNING);
        fleet.accept(new FleetEvent.VmExited(idle, new VmExit(VmExit.Kind.STOPPED, "stopped")));
        fleet.accept(new FleetEvent.MachineGone(idle, new MachineOutcome(MachineOutcome.Disk.DISCARDED, "drained")));
        assertThat(empty[0]).isFalse();
        exit(busy, MachineOutcome.Disk.DISCARDED);
        assertThat(empty[0]).isTrue();
    }

    @Test
    public void aDrainThatNothingIsLeftForIsOverAtOnce() {
        boolean[] empty = {false};
        fleet.drain(() -> empty[0] = true);
        assertThat(empty[0]).isTrue();
    }

    @Test
    public void endingAllEndsEveryMachineStartsNoOtherAndSaysWhenAllAreGone() {
        queued(1, "build");
        MachineId machine = hands.lastLaunched();
        queued(2, "derived");
        boolean[] empty = {false};
        fleet.endAll(() -> empty[0] = true);
        queued(3, "build");
        assertThat(hands.ended).containsExactly(machine);
        assertThat(hands.launched).hasSize(1);
        assertThat(empty[0]).isFalse();
        fleet.accept(new FleetEvent.LaunchFailed(machine, PluginException.Kind.RETRY_LATER, "Forrest is closing"));
        assertThat(empty[0]).isTrue();
    }
}
