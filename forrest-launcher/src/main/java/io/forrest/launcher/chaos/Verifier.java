package io.forrest.launcher.chaos;

import io.forrest.launcher.chaos.Evidence.Generation;
import io.forrest.launcher.chaos.Evidence.JobRecord;
import io.forrest.launcher.chaos.Evidence.MachineRecord;
import io.forrest.launcher.chaos.Evidence.TypeImages;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Holds what is left of a run against what was promised. */
final class Verifier {
    private final Evidence evidence;
    private final Map<String, PlannedJob> plannedByFile = new HashMap<>();
    private final Map<String, JobRecord> jobsByRunner = new HashMap<>();
    private final Map<String, MachineRecord> machinesByName = new HashMap<>();
    private final Map<String, String> digestsByFile = new HashMap<>();

    /**
     * A promise.
     *
     * @param violations what is against it, with details for people; empty if it was kept
     */
    record Verdict(String promise, List<String> violations) {
        boolean isKept() {
            return violations.isEmpty();
        }
    }

    private Verifier(Evidence evidence) {
        this.evidence = evidence;
        for (JobRecord job : evidence.jobs()) {
            plannedByFile.put(job.plan().file(), job.plan());
            job.runner().ifPresent(runner -> jobsByRunner.put(runner, job));
        }
        evidence.machines().forEach(machine -> machinesByName.put(machine.runner(), machine));
    }

    /** All promises, in the order in which they are printed. */
    static List<Verdict> judge(Evidence evidence) {
        Verifier verifier = new Verifier(evidence);
        return List.of(
                new Verdict("all came to its end in time once the faults were over", evidence.unquiet()),
                new Verdict(
                        "each job ran exactly once to its end, or GitHub was told that it did not", verifier.jobs()),
                new Verdict("what jobs persisted is kept, unchanged, and nothing else is", verifier.generations()),
                new Verdict("each machine image is the newest good generation, whole", verifier.machineImages()),
                new Verdict("no run directory holds a machine's disk or volume", verifier.leftOvers()),
                new Verdict("no process of a VM is left", evidence.processes()),
                new Verdict("no runner is left at GitHub", evidence.runners()),
                new Verdict("the books of RAM and disk space are at zero", evidence.books()),
                new Verdict("no daemon spoke of a bug", evidence.bugs()),
                new Verdict("no daemon ended by itself", evidence.surprises()));
    }

    private List<String> jobs() {
        List<String> violations = new ArrayList<>();
        for (JobRecord job : evidence.jobs()) {
            wrong(job).ifPresent(what -> violations.add(what + story(job)));
            List<String> ran = evidence.machines().stream()
                    .filter(machine -> machine.log().contains(job.plan().ending()))
                    .map(machine -> machine.directory().toString())
                    .toList();
            if (ran.size() > 1) {
                violations.add(job.plan().name() + " ran to its end " + ran.size() + " times: " + ran + story(job));
            }
        }
        return violations;
    }

    private static Optional<String> wrong(JobRecord job) {
        String name = job.plan().name();
        int endings = occurrences(job.log(), job.plan().ending());
        if (job.conclusion().isEmpty()) {
            return Optional.of(name + " is not over at GitHub");
        }
        String conclusion = job.conclusion().get();
        if (endings > 1 || occurrences(job.log(), job.plan().beginning()) > 1) {
            return Optional.of(name + " ran more than once, by its log");
        }
        boolean asPlanned = conclusion.equals(job.plan().conclusion()) && endings == 1;
        boolean cancelled = conclusion.equals("cancelled") && job.plan().kind() == JobKind.CANCELLED;
        if (asPlanned || cancelled) {
            return Optional.empty();
        }
        if (conclusion.equals("success")) {
            return Optional.of(name + " succeeded at GitHub, but did not run to its end");
        }
        return job.excuse().isPresent()
                ? Optional.empty()
                : Optional.of(name + " ended with " + conclusion + ", though nobody had touched its VM");
    }

    private static int occurrences(String text, String line) {
        return (int) text.lines().filter(line::equals).count();
    }

    private static String story(JobRecord job) {
        return "; runner " + job.runner().orElse("none")
                + job.excuse().map(excuse -> "; " + excuse).orElse("")
                + job.story().stream().map(line -> "\n          " + line).collect(Collectors.joining());
    }

    private List<String> generations() {
        List<String> violations = new ArrayList<>();
        evidence.images().forEach((type, images) -> images.generations().forEach(generation -> {
            String name = name(type, generation);
            wrongOwner(type, generation).ifPresent(what -> violations.add(name + ": " + what));
            wrongContent(generation.content(), true).forEach(what -> violations.add(name + ": " + what));
            wrongAncestors(type, generation).ifPresent(what -> violations.add(name + ": " + what));
        }));
        for (MachineRecord machine : evidence.machines()) {
            machine.rescued().ifPresent(content -> wrongContent(content, true)
                    .forEach(what -> violations.add(machine.directory() + ", the rescued disk: " + what)));
        }
        evidence.jobs().forEach(job -> lost(job).ifPresent(what -> violations.add(what + story(job))));
        evidence.jobs().forEach(job -> sawTooMuch(job).ifPresent(what -> violations.add(what + story(job))));
        return violations;
    }

    private static String name(String type, Generation generation) {
        return "generation %d of %s (%s), of %s"
                .formatted(
                        generation.number(),
                        type,
                        generation.file(),
                        generation.machine().orElse("nobody known"));
    }

    /** Whether it should not be there at all. */
    private Optional<String> wrongOwner(String type, Generation generation) {
        if (generation.machine().isEmpty()) {
            return Optional.of("its provenance names no machine");
        }
        String runner = generation.machine().get();
        JobRecord job = jobsByRunner.get(runner);
        MachineRecord machine = machinesByName.get(runner);
        if (job == null) {
            return Optional.of("its machine had no job");
        }
        if (!job.plan().persists()) {
            return Optional.of("its job was " + job.plan().name() + ", which had no right to persist");
        }
        if (!job.plan().machineType().equals(type)) {
            return Optional.of("its job was " + job.plan().name() + ", of machine type "
                    + job.plan().machineType());
        }
        if (machine == null) {
            return Optional.of("its machine's run directory is gone");
        }
        if (!machine.poweredOff()) {
            return Optional.of("its guest never powered off: see " + machine.directory());
        }
        return generation.content().digests().containsKey(job.plan().file())
                ? Optional.empty()
                : Optional.of("it lacks what its own job " + job.plan().name() + " wrote");
    }

    private List<String> wrongContent(ImageContent content, boolean needsJobs) {
        List<String> wrong = new ArrayList<>();
        content.damage().ifPresent(damage -> wrong.add("it is damaged: " + damage.replace("\n", "; ")));
        if (needsJobs && content.damage().isEmpty() && content.digests().isEmpty()) {
            wrong.add("no job left anything in it");
        }
        content.digests().forEach((file, digest) -> {
            PlannedJob job = plannedByFile.get(file);
            if (job == null) {
                wrong.add("it has a file " + file + ", which no job writes");
            } else if (!job.persists()) {
                wrong.add("it has the file of " + job.name() + ", which had no right to persist");
            } else if (!digest.equals(digestsByFile.computeIfAbsent(file, any -> job.patternDigest()))) {
                wrong.add("the file of " + job.name() + " is not what that job wrote");
            }
        });
        return wrong;
    }

    /** Beside what its own job wrote, it has what its parent has, and no more. */
    private Optional<String> wrongAncestors(String type, Generation generation) {
        Set<String> inherited = new TreeSet<>(generation.content().digests().keySet());
        generation
                .machine()
                .map(jobsByRunner::get)
                .ifPresent(job -> inherited.remove(job.plan().file()));
        if (generation.parent().isEmpty()) {
            return Optional.of("its provenance names no parent");
        }
        String parent = generation.parent().get();
        Optional<Set<String>> expected = parent.contains("@")
                ? Optional.ofNullable(generationsById().get(parent))
                        .map(found -> found.content().digests().keySet())
                : Optional.of(Set.of());
        if (expected.isEmpty()) {
            return Optional.of("its parent " + parent + " is not there");
        }
        if (type.equals(ChaosPlan.BASE) && parent.contains("@")) {
            return Optional.of("its type always starts from its base image, but its parent is " + parent);
        }
        return inherited.equals(expected.get())
                ? Optional.empty()
                : Optional.of("beside its own file it has " + inherited + ", but its parent " + parent + " has "
                        + expected.get());
    }

    private Map<String, Generation> generationsById() {
        Map<String, Generation> byId = new TreeMap<>();
        evidence.images().forEach((type, images) -> images.generations()
                .forEach(generation ->
                        byId.put(ChaosFarm.REPOSITORY + "/" + type + "@" + generation.number(), generation)));
        return byId;
    }

    /** Whether a job's disk should have been kept, and was not. */
    private Optional<String> lost(JobRecord job) {
        if (!job.plan().persists() || !job.conclusion().equals(Optional.of("success"))) {
            return Optional.empty();
        }
        Optional<MachineRecord> machine = job.runner().map(machinesByName::get);
        if (machine.filter(MachineRecord::killed).isPresent()) {
            // Before or after its guest had powered off: who can tell?
            return Optional.empty();
        }
        boolean kept = evidence.images().get(job.plan().machineType()).generations().stream()
                .anyMatch(generation -> generation.machine().equals(job.runner()));
        boolean rescued = machine.flatMap(MachineRecord::rescued)
                .filter(content -> content.digests().containsKey(job.plan().file()))
                .isPresent();
        if (kept || rescued) {
            return Optional.empty();
        }
        return Optional.of(job.plan().name() + " persisted its disk, which is neither a generation nor rescued"
                + machine.map(where -> where.poweredOff()
                                ? "; its guest powered off"
                                : "; its guest did not come to its power-off: see " + where.directory())
                        .orElse("; its run directory is gone"));
    }

    /** Whether a job found a file that nobody had the right to leave. */
    private Optional<String> sawTooMuch(JobRecord job) {
        Set<String> files = job.log()
                .lines()
                .filter(line -> line.startsWith(job.plan().seeing()))
                .flatMap(line -> Stream.of(
                        line.substring(job.plan().seeing().length()).strip().split(" +", -1)))
                .filter(file -> !file.isEmpty())
                .filter(file -> plannedByFile.get(file) == null
                        || !plannedByFile.get(file).persists())
                .collect(Collectors.toCollection(TreeSet::new));
        return files.isEmpty()
                ? Optional.empty()
                : Optional.of(job.plan().name() + " found on its disk what nobody had the right to persist: " + files);
    }

    private List<String> machineImages() {
        List<String> violations = new ArrayList<>();
        evidence.images().values().forEach(images -> wrongImage(images).forEach(violations::add));
        return violations;
    }

    private List<String> wrongImage(TypeImages images) {
        List<String> wrong = new ArrayList<>();
        images.machineImage().ifPresent(content -> wrongContent(content, true)
                .forEach(what -> wrong.add(images.file() + ": " + what)));
        if (!images.newestIsImage()) {
            Optional<Generation> newest =
                    images.generations().stream().filter(Generation::isGood).reduce((older, newer) -> newer);
            wrong.add(images.file()
                    + (images.machineImage().isEmpty() ? " is not there" : " differs from the newest good generation")
                    + newest.map(generation -> " " + generation.file()).orElse(": there are no generations"));
        }
        return wrong;
    }

    private List<String> leftOvers() {
        return evidence.machines().stream()
                .flatMap(machine -> machine.leftOvers().stream())
                .map(Object::toString)
                .toList();
    }
}
