package io.forrest.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.fleet.Planner.Decision;
import io.forrest.spi.VmExit;
import io.forrest.testing.TestConfigs;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class PlannerTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final MachineType SMALL = TestConfigs.type("small", "2G");
    private static final MachineType BIG = TestConfigs.type("big", "6G");

    private Map<MachineType, Integer> demand;
    private List<MachineSnapshot> machines;
    private Set<MachineId> withdrawing;
    private Set<MachineId> spared;
    private Map<MachineTypeId, Planner.BackOff> backOffs;
    private Optional<DataSize> freeDisk;

    @BeforeMethod
    public void clear() {
        demand = new HashMap<>();
        machines = new ArrayList<>();
        withdrawing = new HashSet<>();
        spared = new HashSet<>();
        backOffs = new HashMap<>();
        freeDisk = Optional.of(DataSize.parse("1T"));
    }

    private MachineSnapshot machine(MachineType type, MachineState state, int ageSeconds) {
        MachineSnapshot machine = new MachineSnapshot(
                MachineId.random(type.id()),
                type,
                state,
                NOW.minusSeconds(ageSeconds),
                NOW.minusSeconds(ageSeconds),
                "test",
                Optional.empty(),
                OptionalLong.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
        machines.add(machine);
        return machine;
    }

    private Planner.Situation situation(String hostRam) {
        return new Planner.Situation(
                demand,
                machines,
                withdrawing,
                spared,
                DataSize.parse(hostRam),
                DataSize.parse("5G"),
                freeDisk,
                backOffs,
                NOW);
    }

    @Test
    public void eachQueuedJobIsAnsweredByOneMachineThatCanStillTakeIt() {
        demand.put(SMALL, 3);
        machine(SMALL, MachineState.STARTING, 5);
        machine(SMALL, MachineState.RUNNING, 50);
        assertThat(Planner.demandChanges(situation("8G")))
                .containsExactly(new Decision.Request(SMALL), new Decision.Request(SMALL));
    }

    @Test
    public void aMachineWhoseRunnerIsBeingWithdrawnAnswersNoJob() {
        demand.put(SMALL, 1);
        withdrawing.add(machine(SMALL, MachineState.WAITING, 5).id());
        assertThat(Planner.demandChanges(situation("8G"))).containsExactly(new Decision.Request(SMALL));
    }

    @Test
    public void theCheapestMachinesAreSurplusFirstAndRunningOnesNever() {
        machine(SMALL, MachineState.RUNNING, 99);
        MachineSnapshot waiting = machine(SMALL, MachineState.WAITING, 30);
        MachineSnapshot requested = machine(SMALL, MachineState.REQUESTED, 1);
        MachineSnapshot starting = machine(SMALL, MachineState.STARTING, 10);
        demand.put(SMALL, 1);
        assertThat(Planner.demandChanges(situation("8G")))
                .containsExactly(new Decision.Surplus(requested.id()), new Decision.Surplus(starting.id()))
                .doesNotContain(new Decision.Surplus(waiting.id()));
    }

    @Test
    public void aSparedMachineAnswersAJobAndIsNeverSurplus() {
        spared.add(machine(SMALL, MachineState.STARTING, 5).id());
        assertThat(Planner.demandChanges(situation("8G"))).isEmpty();
        demand.put(SMALL, 1);
        assertThat(Planner.demandChanges(situation("8G"))).isEmpty();
        MachineSnapshot requested = machine(SMALL, MachineState.REQUESTED, 1);
        assertThat(Planner.demandChanges(situation("8G"))).containsExactly(new Decision.Surplus(requested.id()));
    }

    @Test
    public void inABurstTheBiggestIsPlacedFirstAndSmallOnesFillTheRest() {
        MachineSnapshot firstSmall = machine(SMALL, MachineState.REQUESTED, 9);
        MachineSnapshot secondSmall = machine(SMALL, MachineState.REQUESTED, 8);
        MachineSnapshot big = machine(BIG, MachineState.REQUESTED, 1);
        assertThat(Planner.placements(situation("8G")))
                .containsExactly(
                        new Decision.Start(big.id()),
                        new Decision.Start(firstSmall.id()),
                        new Decision.Hold(
                                secondSmall.id(), Planner.Lack.RAM, "waits for 2G of RAM, of which 0B is free"));
    }

    @Test
    public void ramIsTakenFromPlacementToTheEndOfTheVm() {
        machine(BIG, MachineState.STOPPING, 100);
        MachineSnapshot big = machine(BIG, MachineState.REQUESTED, 1);
        assertThat(Planner.placements(situation("8G")))
                .containsExactly(
                        new Decision.Hold(big.id(), Planner.Lack.RAM, "waits for 6G of RAM, of which 2G is free"));
    }

    @Test
    public void aMachineWhoseVmHasEndedHasNoRamThoughItStillHoldsUpWhatIsMadeOfItsImage() {
        vmEnded(machine(BIG, MachineState.STOPPING, 100));
        MachineSnapshot big = machine(BIG, MachineState.REQUESTED, 2);
        MachineType derived =
                TestConfigs.type("derived", "1G", Optional.of(BIG.id()), Optional.empty(), Path.of("/nonexistent"));
        MachineSnapshot waits = machine(derived, MachineState.REQUESTED, 1);
        assertThat(Planner.placements(situation("8G")))
                .containsExactly(
                        new Decision.Start(big.id()),
                        new Decision.Hold(
                                waits.id(),
                                Planner.Lack.BASE,
                                "waits for the machines of its base acme/firmware/big to end"));
    }

    private void vmEnded(MachineSnapshot machine) {
        machines.remove(machine);
        machines.add(new MachineSnapshot(
                machine.id(),
                machine.type(),
                machine.state(),
                machine.requestedAt(),
                machine.since(),
                machine.reason(),
                machine.vmStartedAt(),
                machine.processId(),
                Optional.of(new VmExit(VmExit.Kind.CLEAN, "guest-shutdown")),
                machine.job(),
                machine.outcome()));
    }

    private static MachineType withDisk(MachineType type, String disk) {
        return new MachineType(
                type.id(),
                type.baseMachine(),
                type.baseImage(),
                type.useBase(),
                type.setupTemplate(),
                type.runner(),
                type.cpus(),
                DataSize.parse(disk),
                type.ram(),
                type.shared(),
                type.networkInterfaces(),
                type.artifacts());
    }

    @Test
    public void aMachineStartsOnlyWhereTheReservedDiskSpaceIsFreeForIt() {
        MachineSnapshot waits = machine(withDisk(SMALL, "100G"), MachineState.REQUESTED, 1);
        freeDisk = Optional.of(new DataSize(3435973837L));
        assertThat(Planner.placements(situation("8G")))
                .containsExactly(new Decision.Hold(
                        waits.id(), Planner.Lack.DISK, "waits for 5G of disk space, of which 3.2G is free"));
        freeDisk = Optional.of(DataSize.parse("5G"));
        assertThat(Planner.placements(situation("8G"))).containsExactly(new Decision.Start(waits.id()));
    }

    @Test
    public void untilFreeDiskSpaceIsKnownNothingStarts() {
        MachineSnapshot waits = machine(SMALL, MachineState.REQUESTED, 1);
        freeDisk = Optional.empty();
        assertThat(Planner.placements(situation("8G")))
                .containsExactly(new Decision.Hold(
                        waits.id(),
                        Planner.Lack.DISK,
                        "waits for 1M of disk space, and how much is free is not known yet"));
    }

    @Test
    public void eachMachineThatIsNotGoneHasItsDiskSpaceReservedThoughItsVmMayHaveEnded() {
        freeDisk = Optional.of(DataSize.parse("14G"));
        vmEnded(machine(withDisk(SMALL, "100G"), MachineState.STOPPING, 50));
        machine(withDisk(SMALL, "100G"), MachineState.REGISTERING, 5);
        MachineSnapshot waits = machine(withDisk(SMALL, "100G"), MachineState.REQUESTED, 1);
        assertThat(Planner.placements(situation("64G")))
                .containsExactly(new Decision.Hold(
                        waits.id(), Planner.Lack.DISK, "waits for 5G of disk space, of which 4G is free"));
    }

    @Test
    public void ofDiskSpaceTooTheBiggestMachineIsServedFirstAndSmallOnesFillTheRest() {
        MachineSnapshot small = machine(withDisk(SMALL, "2G"), MachineState.REQUESTED, 9);
        MachineSnapshot big = machine(withDisk(BIG, "100G"), MachineState.REQUESTED, 2);
        MachineSnapshot second = machine(withDisk(BIG, "100G"), MachineState.REQUESTED, 1);
        freeDisk = Optional.of(DataSize.parse("7G"));
        assertThat(Planner.placements(situation("64G")))
                .containsExactly(
                        new Decision.Start(big.id()),
                        new Decision.Hold(
                                second.id(), Planner.Lack.DISK, "waits for 5G of disk space, of which 2G is free"),
                        new Decision.Start(small.id()));
    }

    @Test
    public void whatIsNotStartedForWantOfDiskSpaceLeavesItsRamToOthers() {
        MachineSnapshot big = machine(withDisk(BIG, "100G"), MachineState.REQUESTED, 2);
        MachineSnapshot small = machine(withDisk(SMALL, "1G"), MachineState.REQUESTED, 1);
        freeDisk = Optional.of(DataSize.parse("1G"));
        assertThat(Planner.placements(situation("6G")))
                .containsExactly(
                        new Decision.Hold(
                                big.id(), Planner.Lack.DISK, "waits for 5G of disk space, of which 1G is free"),
                        new Decision.Start(small.id()));
    }

    @Test
    public void aMachineWaitsWhileAnyMachineOfItsBaseIsAlive() {
        MachineType derived =
                TestConfigs.type("derived", "2G", Optional.of(SMALL.id()), Optional.empty(), Path.of("/nonexistent"));
        MachineSnapshot waits = machine(derived, MachineState.REQUESTED, 1);
        for (MachineState state : MachineState.values()) {
            MachineSnapshot base = machine(SMALL, state, 5);
            Decision expected = state == MachineState.STOPPED
                    ? new Decision.Start(waits.id())
                    : new Decision.Hold(
                            waits.id(),
                            Planner.Lack.BASE,
                            "waits for the machines of its base acme/firmware/small to end");
            assertThat(Planner.placements(situation("64G"))).contains(expected);
            machines.remove(base);
        }
    }

    @Test
    public void aBaseThatCannotBeStartedHoldsUpNobody() {
        MachineType derived =
                TestConfigs.type("derived", "2G", Optional.of(SMALL.id()), Optional.empty(), Path.of("/nonexistent"));
        machine(SMALL, MachineState.REQUESTED, 5);
        MachineSnapshot other = machine(derived, MachineState.REQUESTED, 1);
        backOffs.put(SMALL.id(), new Planner.BackOff(NOW.plusSeconds(300), "its base_image does not exist", 9));
        assertThat(Planner.placements(situation("8G"))).contains(new Decision.Start(other.id()));

        // Unless another of its kind is there that may be promoted.
        machine(SMALL, MachineState.STOPPING, 50);
        assertThat(Planner.placements(situation("8G")))
                .extracting(Decision::getClass)
                .containsOnly(Decision.Hold.class);
    }

    @Test
    public void aTypeThatFailedIsNotTriedAgainBeforeItsTime() {
        MachineSnapshot small = machine(SMALL, MachineState.REQUESTED, 1);
        backOffs.put(SMALL.id(), new Planner.BackOff(NOW.plusSeconds(1), "no image yet", 1));
        assertThat(Planner.placements(situation("8G")))
                .singleElement()
                .isInstanceOfSatisfying(
                        Decision.Hold.class, hold -> assertThat(hold.reason()).startsWith("no image yet; "));
        backOffs.put(SMALL.id(), new Planner.BackOff(NOW, "no image yet", 1));
        assertThat(Planner.placements(situation("8G"))).containsExactly(new Decision.Start(small.id()));
    }
}
