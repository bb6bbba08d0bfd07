package io.forrest.launcher.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.chaos.Evidence.Generation;
import io.forrest.launcher.chaos.Evidence.JobRecord;
import io.forrest.launcher.chaos.Evidence.MachineRecord;
import io.forrest.launcher.chaos.Evidence.TypeImages;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** A run that went well, in which one thing at a time is made to be wrong. */
public class VerifierTest {
    private static final Path RUNS = Path.of("/base/runs");
    private static final PlannedJob FIRST = job(0, JobKind.PERSISTS);
    private static final PlannedJob SECOND = job(1, JobKind.PERSISTS);
    private static final PlannedJob PULL = job(2, JobKind.PULL);
    private static final PlannedJob FAILS = job(3, JobKind.FAILS);

    private List<JobRecord> jobs;
    private List<MachineRecord> machines;
    private List<Generation> generations;
    private Optional<ImageContent> machineImage;
    private boolean newestIsImage;
    private List<String> runners;

    private static PlannedJob job(int number, JobKind kind) {
        return new PlannedJob(number, kind, ChaosPlan.BUILD, 1000L + number, 10, Duration.ZERO, Optional.empty());
    }

    @BeforeMethod
    public void aRunThatWentWell() {
        jobs = new ArrayList<>(List.of(
                over(FIRST, "success"), over(SECOND, "success"), over(PULL, "success"), over(FAILS, "failure")));
        machines = new ArrayList<>(List.of(machine(FIRST), machine(SECOND), machine(PULL), machine(FAILS)));
        generations = new ArrayList<>(List.of(
                generation(1, FIRST, "/base/src.raw", content(FIRST)),
                generation(2, SECOND, "acme/firmware/build@1", content(FIRST, SECOND))));
        machineImage = Optional.of(content(FIRST, SECOND));
        newestIsImage = true;
        runners = List.of();
    }

    private static String runner(PlannedJob job) {
        return "runner-of-" + job.name();
    }

    private static JobRecord over(PlannedJob job, String conclusion) {
        return new JobRecord(
                job,
                Optional.of(conclusion),
                Optional.of(runner(job)),
                job.beginning() + "\n" + job.seeing() + "\n" + job.ending() + "\n",
                Optional.empty(),
                List.of("what happened"));
    }

    private static JobRecord cutOff(PlannedJob job, Optional<String> excuse) {
        return new JobRecord(
                job,
                Optional.of("failure"),
                Optional.of(runner(job)),
                job.beginning() + "\n",
                excuse,
                List.of("what happened"));
    }

    private static MachineRecord machine(PlannedJob job) {
        return machine(job, job.ending() + "\ntiny: off\n", false, List.of(), Optional.empty());
    }

    private static MachineRecord machine(
            PlannedJob job, String log, boolean killed, List<Path> left, Optional<ImageContent> rescued) {
        return new MachineRecord(runner(job), job.machineType(), RUNS.resolve(runner(job)), log, killed, left, rescued);
    }

    private static ImageContent content(PlannedJob... writers) {
        Map<String, String> digests = new HashMap<>();
        for (PlannedJob job : writers) {
            digests.put(job.file(), job.patternDigest());
        }
        return new ImageContent(digests, Optional.empty());
    }

    private static Generation generation(int number, PlannedJob job, String parent, ImageContent content) {
        return new Generation(
                number,
                Path.of("/base/machines/" + number + ".img"),
                Optional.of(runner(job)),
                Optional.of(parent),
                true,
                content);
    }

    private List<String> violations() {
        Map<String, TypeImages> images = new HashMap<>();
        for (String type : ChaosPlan.MACHINE_TYPES) {
            images.put(
                    type,
                    type.equals(ChaosPlan.BUILD)
                            ? new TypeImages(Path.of("/base/build.img"), machineImage, generations, newestIsImage)
                            : new TypeImages(Path.of("/base/" + type + ".img"), Optional.empty(), List.of(), true));
        }
        return Verifier.judge(new Evidence(
                        jobs, machines, images, List.of(), runners, List.of(), List.of(), List.of(), List.of()))
                .stream()
                .flatMap(verdict -> verdict.violations().stream())
                .toList();
    }

    private void assertOneViolation(String... words) {
        assertThat(violations()).singleElement().asString().contains(words);
    }

    @Test
    public void aGoodRunKeepsAllPromises() {
        assertThat(violations()).isEmpty();
    }

    @Test
    public void aJobThatIsNotOverIsToldWithItsStory() {
        jobs.set(2, new JobRecord(PULL, Optional.empty(), Optional.empty(), "", Optional.empty(), List.of("a kill")));
        assertOneViolation(PULL.name(), "is not over", "a kill");
    }

    @Test
    public void aJobThatWasCutOffNeedsAnExcuse() {
        jobs.set(2, cutOff(PULL, Optional.of("its VM was killed")));
        assertThat(violations()).isEmpty();
        jobs.set(2, cutOff(PULL, Optional.empty()));
        assertOneViolation(PULL.name(), "failure", "nobody had touched its VM");
    }

    @Test
    public void aJobThatSucceededWithoutItsLastLineDidNot() {
        jobs.set(
                2,
                new JobRecord(
                        PULL,
                        Optional.of("success"),
                        Optional.of(runner(PULL)),
                        PULL.beginning(),
                        Optional.empty(),
                        List.of()));
        assertOneViolation(PULL.name(), "did not run to its end");
    }

    @Test
    public void aJobThatRanOnTwoMachinesRanTwice() {
        PlannedJob other = job(9, JobKind.PLAIN);
        machines.add(machine(other, PULL.ending() + "\ntiny: off\n", false, List.of(), Optional.empty()));
        assertOneViolation(PULL.name(), "2 times");
    }

    @Test
    public void aPersistedDiskThatIsNowhereIsLostUnlessItsVmWasKilled() {
        generations.remove(1);
        machineImage = Optional.of(content(FIRST));
        assertOneViolation(SECOND.name(), "neither a generation nor rescued");
        machines.set(1, machine(SECOND, SECOND.ending() + "\n", true, List.of(), Optional.empty()));
        assertThat(violations()).isEmpty();
    }

    @Test
    public void aRescuedDiskIsNotLostIfItIsWhole() {
        generations.remove(1);
        machineImage = Optional.of(content(FIRST));
        String log = SECOND.ending() + "\ntiny: off\n";
        machines.set(1, machine(SECOND, log, false, List.of(), Optional.of(content(FIRST, SECOND))));
        assertThat(violations()).isEmpty();
        machines.set(1, machine(SECOND, log, false, List.of(), Optional.of(content(FIRST))));
        assertOneViolation("neither a generation nor rescued");
    }

    @Test
    public void aGenerationWithAChangedFileIsFound() {
        generations.set(
                1,
                generation(
                        2,
                        SECOND,
                        "acme/firmware/build@1",
                        new ImageContent(
                                Map.of(FIRST.file(), FIRST.patternDigest(), SECOND.file(), FIRST.patternDigest()),
                                Optional.empty())));
        assertOneViolation("generation 2", "not what that job wrote");
    }

    @Test
    public void aDamagedGenerationIsFound() {
        generations.set(
                0,
                generation(
                        1,
                        FIRST,
                        "/base/src.raw",
                        new ImageContent(content(FIRST).digests(), Optional.of("dirty bit is set"))));
        assertOneViolation("generation 1", "dirty bit is set");
    }

    @Test
    public void aGenerationHasWhatItsParentHasAndNoMore() {
        generations.set(1, generation(2, SECOND, "acme/firmware/build@1", content(SECOND)));
        assertOneViolation("generation 2", "its parent acme/firmware/build@1 has", FIRST.file());
    }

    @Test
    public void aGenerationOfAPullRequestIsFound() {
        generations.add(generation(3, PULL, "acme/firmware/build@2", content(FIRST, SECOND, PULL)));
        assertThat(violations()).anySatisfy(what -> assertThat(what).contains(PULL.name(), "had no right to persist"));
    }

    @Test
    public void aGenerationOfAGuestThatDidNotPowerOffIsFound() {
        machines.set(1, machine(SECOND, SECOND.ending() + "\n", true, List.of(), Optional.empty()));
        assertOneViolation("generation 2", "never powered off");
    }

    @Test
    public void aJobThatSawAPullRequestsFileIsFound() {
        jobs.set(
                3,
                new JobRecord(
                        FAILS,
                        Optional.of("failure"),
                        Optional.of(runner(FAILS)),
                        FAILS.beginning() + "\n" + FAILS.seeing() + " " + FIRST.file() + " " + PULL.file() + "\n"
                                + FAILS.ending() + "\n",
                        Optional.empty(),
                        List.of()));
        assertOneViolation(FAILS.name(), "nobody had the right", "[" + PULL.file() + "]");
    }

    @Test
    public void aMachineImageThatIsNotTheNewestGenerationIsFound() {
        newestIsImage = false;
        assertOneViolation("/base/build.img", "differs", "/base/machines/2.img");
    }

    @Test
    public void aDiskThatWasLeftIsFound() {
        Path left = RUNS.resolve("disk.img");
        machines.set(2, machine(PULL, PULL.ending() + "\ntiny: off\n", false, List.of(left), Optional.empty()));
        assertOneViolation(left.toString());
    }

    @Test
    public void aRunnerThatWasLeftIsFound() {
        runners = List.of("forrest-build-left, offline");
        assertOneViolation("forrest-build-left");
    }
}
