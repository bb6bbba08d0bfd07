package io.forrest.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.testing.TestConfigs;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class JobBoardTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

    private final JobBoard board = new JobBoard();

    private static JobObservation job(long id, JobStatus status, Instant at) {
        return new JobObservation(
                new JobId(id),
                7,
                TestConfigs.REPOSITORY,
                JobLabels.of("build"),
                status,
                Optional.empty(),
                Optional.empty(),
                at,
                "test");
    }

    @DataProvider
    public Object[][] pairs() {
        Object[][] pairs = new Object[JobStatus.values().length * JobStatus.values().length][];
        int i = 0;
        for (JobStatus first : JobStatus.values()) {
            for (JobStatus second : JobStatus.values()) {
                pairs[i++] = new Object[] {first, second};
            }
        }
        return pairs;
    }

    @Test(dataProvider = "pairs")
    public void ofTwoObservationsTheFurtherOneCountsInWhicheverOrderTheyCome(JobStatus first, JobStatus second) {
        JobBoard fresh = new JobBoard();
        assertThat(fresh.observe(job(1, first, NOW))).isTrue();
        assertThat(fresh.observe(job(1, second, NOW))).isEqualTo(second.compareTo(first) > 0);
        JobStatus furthest = first.compareTo(second) > 0 ? first : second;
        assertThat(fresh.all())
                .singleElement()
                .extracting(JobObservation::status)
                .isEqualTo(furthest);
    }

    @Test
    public void queuedJobsComeInTheOrderInWhichTheyWereSeen() {
        board.observe(job(12, JobStatus.QUEUED, NOW.plusSeconds(1)));
        board.observe(job(11, JobStatus.QUEUED, NOW));
        board.observe(job(10, JobStatus.WAITING, NOW));
        assertThat(board.queued()).extracting(job -> job.job().value()).containsExactly(11L, 12L);
    }

    @Test
    public void aLateQueuedDoesNotBringBackAJobThatIsOverEvenADayLater() {
        board.observe(job(20, JobStatus.COMPLETED, NOW));
        board.forgetOld(NOW.plus(Duration.ofHours(25)));
        assertThat(board.observe(job(20, JobStatus.QUEUED, NOW.plus(Duration.ofHours(25)))))
                .isFalse();
    }

    @Test
    public void jobsThatNobodyCanWaitForAnyMoreAreForgotten() {
        JobBoard fresh = new JobBoard();
        fresh.observe(job(1, JobStatus.QUEUED, NOW));
        fresh.observe(job(2, JobStatus.COMPLETED, NOW));
        fresh.observe(job(3, JobStatus.IN_PROGRESS, NOW));
        fresh.forgetOld(NOW.plus(Duration.ofHours(27)));
        assertThat(fresh.all()).extracting(job -> job.job().value()).containsExactly(3L);
    }

    @Test
    public void aJobWhoseEndIsNeverHeardOfIsForgottenWhenGitHubItselfHasEndedIt() {
        JobBoard fresh = new JobBoard();
        fresh.observe(job(1, JobStatus.IN_PROGRESS, NOW));
        fresh.observe(job(2, JobStatus.WAITING, NOW));
        fresh.forgetOld(NOW.plus(Duration.ofDays(5)));
        assertThat(fresh.all()).hasSize(2);
        fresh.forgetOld(NOW.plus(Duration.ofDays(6)));
        assertThat(fresh.all()).extracting(job -> job.job().value()).containsExactly(2L);
        fresh.forgetOld(NOW.plus(Duration.ofDays(31)));
        assertThat(fresh.all()).isEmpty();
    }

    @Test
    public void onlyTheExactThreeLabelsNameAMachineTypeWhateverTheirCase() {
        assertThat(JobLabels.machineType(List.of("Self-Hosted", "FORREST", "Build")))
                .contains("Build");
        assertThat(JobLabels.machineType(List.of("forrest", "self-hosted", "build")))
                .isEmpty();
        assertThat(JobLabels.machineType(List.of("self-hosted", "forrest"))).isEmpty();
        assertThat(JobLabels.machineType(List.of("self-hosted", "forrest", "build", "gpu")))
                .isEmpty();
        assertThat(JobLabels.machineType(List.of("ubuntu-latest"))).isEmpty();
        assertThat(JobLabels.machineType(List.of("self-hosted", "forrest", "x\nWARN a line of the log")))
                .isEmpty();
    }
}
