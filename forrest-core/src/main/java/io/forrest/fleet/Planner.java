package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Decides from demand, machines, RAM and disk space what is to happen now. Pure: same input, same plan; no clock, no I/O.
 *
 * <p>Machines with the most RAM are placed first, and smaller ones fill what is left. RAM and disk space are claimed before
 * anything else happens for a machine, so a burst of jobs cannot promise them twice.
 */
final class Planner {
    /**
     * What the planner sees.
     *
     * @param demand machine types that queued jobs ask for, with the number of such jobs
     * @param withdrawing machines whose runners are being withdrawn, so that they count for no job
     * @param spared machines that are never surplus, though they do count for jobs
     * @param diskReserve the most disk space that a machine claims
     * @param freeDisk the disk space that is free; empty as long as that is not known
     * @param backOffs types that must not be started before a time, and why
     */
    record Situation(
            Map<MachineType, Integer> demand,
            Collection<MachineSnapshot> machines,
            Set<MachineId> withdrawing,
            Set<MachineId> spared,
            DataSize hostRam,
            DataSize diskReserve,
            Optional<DataSize> freeDisk,
            Map<MachineTypeId, BackOff> backOffs,
            Instant now) {
        /** What keeps machines of {@code type} from being started now, whatever there is of RAM. */
        Optional<BackOff> backOff(MachineType type) {
            return Optional.ofNullable(backOffs.get(type.id())).filter(backOff -> now.isBefore(backOff.until()));
        }
    }

    /** Not before {@code until}, because of {@code reason}. */
    record BackOff(Instant until, String reason, int failures) {}

    /** What is to happen. */
    sealed interface Decision {
        /** One more machine of this type is wanted. */
        record Request(MachineType type) implements Decision {}

        /** This machine's time has come. */
        record Start(MachineId machine) implements Decision {}

        /** This machine waits, for what, and why; the reason is for people and may change while it waits. */
        record Hold(MachineId machine, Lack lack, String reason) implements Decision {}

        /** Nobody needs this machine any more. */
        record Surplus(MachineId machine) implements Decision {}
    }

    /** What a machine can wait for. */
    enum Lack {
        TIME,
        BASE,
        RAM,
        DISK
    }

    private Planner() {}

    static DataSize claimedRam(Collection<MachineSnapshot> machines) {
        return machines.stream()
                .filter(MachineSnapshot::holdsRam)
                .map(machine -> machine.type().ram())
                .reduce(DataSize.ZERO, DataSize::plus);
    }

    static DataSize claimedDisk(Collection<MachineSnapshot> machines, DataSize reserve) {
        return machines.stream()
                .filter(MachineSnapshot::holdsDisk)
                .map(machine -> diskClaim(machine.type(), reserve))
                .reduce(DataSize.ZERO, DataSize::plus);
    }

    /** The disk space that must be free for one machine of {@code type}. No disk grows beyond its size. */
    private static DataSize diskClaim(MachineType type, DataSize reserve) {
        return type.disk().compareTo(reserve) < 0 ? type.disk() : reserve;
    }

    /** How many machines of each type are too many or too few. To be applied before {@link #placements}. */
    static List<Decision> demandChanges(Situation situation) {
        List<Decision> decisions = new ArrayList<>();
        Map<MachineTypeId, List<MachineSnapshot>> available = new HashMap<>();
        for (MachineSnapshot machine : situation.machines()) {
            if (machine.state().isAvailable() && !situation.withdrawing().contains(machine.id())) {
                available
                        .computeIfAbsent(machine.type().id(), type -> new ArrayList<>())
                        .add(machine);
            }
        }
        situation.demand().forEach((type, wanted) -> {
            int missing = wanted - available.getOrDefault(type.id(), List.of()).size();
            for (int i = 0; i < missing; i++) {
                decisions.add(new Decision.Request(type));
            }
        });
        Map<MachineTypeId, Integer> wantedByType = new HashMap<>();
        situation.demand().forEach((type, wanted) -> wantedByType.put(type.id(), wanted));
        available.forEach((type, machines) -> {
            int surplus = machines.size() - wantedByType.getOrDefault(type, 0);
            // The least far on goes first: it has cost the least, and nobody waits for it yet.
            machines.stream()
                    .filter(machine -> !situation.spared().contains(machine.id()))
                    .sorted(Comparator.comparing(MachineSnapshot::state)
                            .thenComparing(
                                    Comparator.comparing(MachineSnapshot::since).reversed())
                            .thenComparing(MachineSnapshot::id))
                    .limit(Math.max(0, surplus))
                    .forEach(machine -> decisions.add(new Decision.Surplus(machine.id())));
        });
        return decisions;
    }

    /** Which of the requested machines start now, and why the others wait. */
    static List<Decision> placements(Situation situation) {
        List<Decision> decisions = new ArrayList<>();
        Set<MachineTypeId> alive = new HashSet<>();
        for (MachineSnapshot machine : situation.machines()) {
            // A base that cannot be started now has nothing to promote, and may never have: nobody waits for it.
            boolean putOff = machine.state() == MachineState.REQUESTED
                    && situation.backOff(machine.type()).isPresent();
            if (machine.state() != MachineState.STOPPED && !putOff) {
                alive.add(machine.type().id());
            }
        }
        Budget ram = new Budget(situation.hostRam(), claimedRam(situation.machines()));
        Budget disk = new Budget(
                situation.freeDisk().orElse(DataSize.ZERO), claimedDisk(situation.machines(), situation.diskReserve()));
        situation.machines().stream()
                .filter(machine -> machine.state() == MachineState.REQUESTED)
                .sorted(Comparator.comparing(
                                (MachineSnapshot machine) -> machine.type().ram())
                        .reversed()
                        .thenComparing(MachineSnapshot::requestedAt)
                        .thenComparing(MachineSnapshot::id))
                .forEach(machine -> decisions.add(place(machine, situation, alive, ram, disk)));
        return decisions;
    }

    private static Decision place(
            MachineSnapshot machine, Situation situation, Set<MachineTypeId> alive, Budget ram, Budget disk) {
        MachineType type = machine.type();
        Optional<BackOff> backOff = situation.backOff(type);
        if (backOff.isPresent()) {
            return new Decision.Hold(
                    machine.id(),
                    Lack.TIME,
                    backOff.get().reason() + "; the next try is at "
                            + backOff.get().until().truncatedTo(ChronoUnit.SECONDS));
        }
        // GitHub calls the base's job done before its disk is promoted: starting now would miss the new image.
        if (type.baseMachine().filter(alive::contains).isPresent()) {
            return new Decision.Hold(
                    machine.id(),
                    Lack.BASE,
                    "waits for the machines of its base " + type.baseMachine().get() + " to end");
        }
        if (!ram.has(type.ram())) {
            return new Decision.Hold(
                    machine.id(), Lack.RAM, "waits for " + type.ram() + " of RAM, of which " + ram.free() + " is free");
        }
        DataSize diskClaim = diskClaim(type, situation.diskReserve());
        if (!disk.has(diskClaim)) {
            return new Decision.Hold(
                    machine.id(),
                    Lack.DISK,
                    "waits for " + diskClaim + " of disk space, "
                            + (situation.freeDisk().isPresent()
                                    ? "of which " + disk.free().rounded() + " is free"
                                    : "and how much is free is not known yet"));
        }
        ram.claim(type.ram());
        disk.claim(diskClaim);
        return new Decision.Start(machine.id());
    }
}
