package io.forrest.launcher.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.failpoint.FailPoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.testng.annotations.Test;

public class ChaosPlanTest {
    private static final Set<FaultKind> ALL = EnumSet.allOf(FaultKind.class);

    @Test
    public void theSameSeedGivesTheSamePlanAndAnotherOneAnother() {
        ChaosPlan plan = ChaosPlan.of(7, 20, 40, ALL);
        assertThat(ChaosPlan.of(7, 20, 40, ALL)).isEqualTo(plan);
        assertThat(ChaosPlan.of(7, 20, 40, ALL).describe()).isEqualTo(plan.describe());
        assertThat(ChaosPlan.of(7, 20, 40, ALL).job(41)).isEqualTo(plan.job(41));
        assertThat(ChaosPlan.of(8, 20, 40, ALL).describe()).isNotEqualTo(plan.describe());
        assertThat(ChaosPlan.of(8, 20, 40, ALL).job(41)).isNotEqualTo(plan.job(41));
    }

    @Test
    public void twentyKillsComeToEveryStepAndTwoHundredToEachOfThemManyTimes() {
        assertThat(steps(ChaosPlan.of(1, 20, 40, ALL))).containsExactlyInAnyOrder(FailPoint.values());
        ChaosPlan release = ChaosPlan.of(1, 200, 400, ALL);
        assertThat(release.kills()).isEqualTo(200);
        for (FailPoint step : FailPoint.values()) {
            assertThat(steps(release)).as("%s", step).filteredOn(step::equals).hasSizeGreaterThan(7);
        }
        assertThat(release.ends())
                .extracting(DaemonEnd::how)
                .contains(DaemonEnd.How.KILLED, DaemonEnd.How.TOLD, DaemonEnd.How.AT_STEP);
    }

    private static List<FailPoint> steps(ChaosPlan plan) {
        return plan.ends().stream()
                .map(DaemonEnd::step)
                .flatMap(Optional::stream)
                .toList();
    }

    @Test
    public void fortyJobsAreOfEveryKindOnEveryMachineType() {
        for (long seed = 1; seed < 10; seed++) {
            ChaosPlan plan = ChaosPlan.of(seed, 20, 40, ALL);
            List<PlannedJob> jobs =
                    IntStream.range(0, plan.jobs()).mapToObj(plan::job).toList();
            assertThat(jobs).extracting(PlannedJob::kind).as("seed %d", seed).contains(JobKind.PERSISTS, JobKind.PULL);
            assertThat(jobs).extracting(PlannedJob::machineType).containsAll(ChaosPlan.MACHINE_TYPES);
            // The others' base.
            assertThat(jobs.get(0).kind()).isEqualTo(JobKind.PERSISTS);
            assertThat(jobs.get(0).machineType()).isEqualTo(ChaosPlan.BASE);
            assertThat(jobs.stream().map(PlannedJob::patternDigest).distinct()).hasSize(jobs.size());
        }
    }

    @Test
    public void onlyWhatIsAskedForFails() {
        assertThat(ChaosPlan.of(3, 20, 60, Set.of(FaultKind.STORE)).ends()).isEmpty();
        assertThat(ChaosPlan.of(3, 20, 60, Set.of(FaultKind.STORE)).disturbances())
                .isNotEmpty()
                .extracting(Disturbance::what)
                .containsOnly(Disturbance.What.FILL_STORE);
        assertThat(ChaosPlan.of(3, 20, 60, Set.of(FaultKind.VMS)).disturbances())
                .isNotEmpty()
                .extracting(Disturbance::what)
                .containsOnly(Disturbance.What.KILL_VM);
        assertThat(ChaosPlan.of(3, 20, 60, Set.of(FaultKind.DAEMON)).disturbances())
                .isEmpty();
    }

    @Test
    public void aJobsScriptWritesThePatternThatTheVerifierExpects() throws Exception {
        PlannedJob job = ChaosPlan.of(3, 0, 1, ALL).job(0);
        Path directory = Files.createTempDirectory("chaos-script");
        Path place = directory.resolve("srv");
        Path persist = directory.resolve("persist");
        String script = job.script()
                .replace("/srv/chaos", place.toString())
                .replace("/home/runner/config/persist", persist.toString());
        Process shell =
                new ProcessBuilder("sh", "-c", script).redirectErrorStream(true).start();
        String log = new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(shell.waitFor()).as(log).isZero();

        assertThat(log.lines()).containsExactly(job.beginning(), job.seeing(), job.ending());
        assertThat(place.resolve(job.file())).hasBinaryContent(job.pattern());
        assertThat(persist).hasContent("${{ secrets.PERSISTENCE_TOKEN }}");
        delete(place.resolve(job.file()), place, persist, directory);
    }

    private static void delete(Path... files) throws IOException {
        for (Path file : files) {
            Files.delete(file);
        }
    }
}
