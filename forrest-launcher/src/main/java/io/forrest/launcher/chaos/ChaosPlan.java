package io.forrest.launcher.chaos;

import io.forrest.failpoint.FailPoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What a run does: all of it follows from its seed and its size. When things happen is up to the host.
 *
 * @param jobs how many are queued at least: {@link #job} knows what comes after them, should there be kills left
 * @param kinds what fails
 * @param ends of the daemons, one after the other
 * @param disturbances in the order of the jobs that they come after
 */
record ChaosPlan(long seed, int jobs, Set<FaultKind> kinds, List<DaemonEnd> ends, List<Disturbance> disturbances) {
    static final String BUILD = "build";
    static final String BASE = "base";
    static final String DERIVED = "derived";
    static final List<String> MACHINE_TYPES = List.of(BUILD, BASE, DERIVED);

    private static final int JOBS_FOR_A_FULL_STORE = 20;
    private static final int JOBS_FOR_A_KILLED_VM = 8;
    private static final int JOBS_FOR_A_WEBHOOK = 3;
    private static final int KILLS_FOR_A_RESTART = 5;

    /** Nothing is disturbed before the first machine image of {@link #BASE} is made, which others need. */
    private static final int UNDISTURBED_JOBS = 3;

    ChaosPlan {
        kinds = Set.copyOf(kinds);
        ends = List.copyOf(ends);
        disturbances = List.copyOf(disturbances);
    }

    static ChaosPlan of(long seed, int kills, int jobs, Set<FaultKind> kinds) {
        List<Disturbance> disturbances = new ArrayList<>();
        Random dice = dice(seed, "disturbances", 0);
        for (int job = UNDISTURBED_JOBS; job < jobs; job++) {
            if (kinds.contains(FaultKind.VMS) && oneIn(dice, JOBS_FOR_A_KILLED_VM, job)) {
                disturbances.add(disturbance(dice, job, Disturbance.What.KILL_VM, dice.nextInt(4), 0));
            }
            if (kinds.contains(FaultKind.STORE) && oneIn(dice, JOBS_FOR_A_FULL_STORE, job)) {
                disturbances.add(disturbance(dice, job, Disturbance.What.FILL_STORE, 0, 3 + dice.nextInt(5)));
            }
            if (kinds.contains(FaultKind.WEBHOOKS) && oneIn(dice, JOBS_FOR_A_WEBHOOK, job)) {
                disturbances.add(
                        switch (dice.nextInt(3)) {
                            case 0 -> disturbance(dice, job, Disturbance.What.DROP_WEBHOOKS, 1 + dice.nextInt(4), 0);
                            case 1 -> disturbance(dice, job, Disturbance.What.DOUBLE_WEBHOOKS, 0, 3 + dice.nextInt(5));
                            default ->
                                disturbance(dice, job, Disturbance.What.REORDER_WEBHOOKS, 2 + dice.nextInt(4), 0);
                        });
            }
        }
        return new ChaosPlan(
                seed, jobs, kinds, kinds.contains(FaultKind.DAEMON) ? ends(seed, kills) : List.of(), disturbances);
    }

    /** The first one is certain, as long as there are enough jobs. */
    private static boolean oneIn(Random dice, int jobs, int job) {
        return dice.nextInt(jobs) == 0 || job == jobs;
    }

    private static Disturbance disturbance(Random dice, int job, Disturbance.What what, int choice, int seconds) {
        return new Disturbance(job, Duration.ofMillis(dice.nextInt(6000)), what, choice, Duration.ofSeconds(seconds));
    }

    /** Each step in turn, four fifths of all at the most, but no step is left out for a moment that is nobody's. */
    private static List<DaemonEnd> ends(long seed, int kills) {
        Random dice = dice(seed, "ends", 0);
        int atSteps = Math.max(Math.min(kills, FailPoint.values().length), kills * 4 / 5);
        List<DaemonEnd> ends = new ArrayList<>();
        List<FailPoint> steps = new ArrayList<>();
        for (int i = 0; i < atSteps; i++) {
            if (steps.isEmpty()) {
                steps.addAll(List.of(FailPoint.values()));
                Collections.shuffle(steps, dice);
            }
            // Each is passed for the first time at first, so that it is certainly reached.
            boolean first = i < FailPoint.values().length;
            ends.add(DaemonEnd.at(steps.remove(steps.size() - 1), first ? 1 : 1 + dice.nextInt(2)));
        }
        for (int i = atSteps; i < kills; i++) {
            ends.add(dice.nextInt(ends.size() + 1), DaemonEnd.killed(Duration.ofMillis(200 + dice.nextInt(8000))));
        }
        for (int i = 0; i < kills / KILLS_FOR_A_RESTART; i++) {
            ends.add(dice.nextInt(ends.size() + 1), DaemonEnd.told(Duration.ofMillis(dice.nextInt(5000))));
        }
        return ends;
    }

    private static Random dice(long seed, String what, int number) {
        // Random is kind to nobody who gives it neighbouring seeds.
        return new Random(31 * (31 * (seed ^ 0x9E3779B97F4A7C15L) + what.hashCode()) * 0xBF58476D1CE4E5B9L
                + number * 0x94D049BB133111EBL);
    }

    int kills() {
        return (int) ends.stream().filter(DaemonEnd::isKill).count();
    }

    /** The job with this number, which may be beyond {@link #jobs}. */
    PlannedJob job(int number) {
        Random dice = dice(seed, "job", number);
        JobKind kind = number == 0 ? JobKind.PERSISTS : kind(dice.nextInt(100));
        String type = number == 0 ? BASE : type(dice.nextInt(100));
        boolean isLong = kind == JobKind.CANCELLED || dice.nextInt(5) == 0;
        return new PlannedJob(
                number,
                kind,
                type,
                dice.nextInt(Integer.MAX_VALUE),
                5_000 + dice.nextInt(15_000),
                Duration.ofSeconds(isLong ? 4 + dice.nextInt(5) : dice.nextInt(2)),
                kind == JobKind.CANCELLED
                        ? Optional.of(Duration.ofMillis(500 + dice.nextInt(20_000)))
                        : Optional.empty());
    }

    private static JobKind kind(int percent) {
        if (percent < 46) {
            return JobKind.PERSISTS;
        } else if (percent < 62) {
            return JobKind.PLAIN;
        } else if (percent < 72) {
            return JobKind.WRONG;
        } else if (percent < 84) {
            return JobKind.PULL;
        }
        return percent < 90 ? JobKind.FAILS : JobKind.CANCELLED;
    }

    private static String type(int percent) {
        if (percent < 50) {
            return BUILD;
        }
        return percent < 70 ? BASE : DERIVED;
    }

    /** For people: all of it, and the same for the same seed. */
    List<String> describe() {
        List<String> lines = new ArrayList<>();
        lines.add("seed %d: %d jobs, %d kills of the daemon, %d restarts; what fails: %s"
                .formatted(
                        seed,
                        jobs,
                        kills(),
                        ends.size() - kills(),
                        kinds.isEmpty()
                                ? "nothing"
                                : new TreeSet<>(kinds)
                                        .stream().map(FaultKind::toString).collect(Collectors.joining(", "))));
        lines.addAll(folded(
                "jobs",
                IntStream.range(0, jobs)
                        .mapToObj(this::job)
                        .map(job -> job.name() + "@" + job.machineType())
                        .toList()));
        lines.addAll(folded("ends", ends.stream().map(DaemonEnd::toString).toList()));
        lines.addAll(folded(
                "faults",
                disturbances.stream()
                        .sorted(Comparator.comparing(Disturbance::afterJob))
                        .map(Disturbance::toString)
                        .toList()));
        return lines;
    }

    private static List<String> folded(String title, List<String> items) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (String item : items) {
            if (line.length() + item.length() > 110) {
                lines.add("  %-7s %s".formatted(title, line));
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : "; ").append(item);
        }
        if (!line.isEmpty()) {
            lines.add("  %-7s %s".formatted(title, line));
        }
        return lines;
    }
}
