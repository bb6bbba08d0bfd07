package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/**
 * What every {@link JobSource} does. Extend it, and play the forge's part.
 *
 * <p>A source that asks rather than is told is asked by {@link JobSource#refresh} while something is awaited, and may miss
 * what came and went between two looks.
 */
public abstract class JobSourceContract {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration BETWEEN_REFRESHES = Duration.ofMillis(100);
    private static final Duration AT_ONCE = Duration.ofSeconds(1);
    private static final List<String> LABELS = JobLabels.of("build");

    private final List<JobSource> opened = new ArrayList<>();
    private Told told;
    private JobSource source;

    /** Makes a forge that knows {@link #repository} and has no jobs. Called before each test. */
    protected abstract void openForge() throws Exception;

    /** Ends what {@link #openForge} made. Called after each test, when all sources are closed. */
    protected void closeForge() throws Exception {}

    /** A new one, not started, for the forge that was opened last. Several of one forge all hear of its jobs. */
    protected abstract JobSource source() throws Exception;

    /** Somebody pushes: a job in {@link #repository} is queued. */
    protected abstract JobId queueJob(List<String> labels) throws Exception;

    /** A runner takes a queued job; returns the runner's name. */
    protected abstract String startJob(JobId job) throws Exception;

    /** A job that is queued or in progress is over. */
    protected abstract void endJob(JobId job) throws Exception;

    /** The forge's API is down until {@link #repair}. For a source that is only told of jobs there is nothing to do. */
    protected abstract void breakDown() throws Exception;

    /** The forge is up again. */
    protected abstract void repair() throws Exception;

    /** Where jobs are queued. */
    protected RepositoryId repository() {
        return TestConfigs.REPOSITORY;
    }

    @BeforeMethod
    public void makeSource() throws Exception {
        openForge();
        told = new Told();
        source = newSource();
    }

    @AfterMethod(alwaysRun = true)
    public void endForge() throws Exception {
        opened.forEach(JobSource::close);
        opened.clear();
        closeForge();
    }

    private JobSource newSource() throws Exception {
        JobSource made = source();
        opened.add(made);
        return made;
    }

    /** Remembers everything it is told. */
    private static final class Told implements JobSink {
        private final List<JobObservation> observations = new ArrayList<>();

        @Override
        public synchronized void observe(JobObservation observation) {
            observations.add(observation);
            notifyAll();
        }

        synchronized List<JobObservation> all() {
            return List.copyOf(observations);
        }

        /** The first observation like that, past or to come. */
        JobObservation await(JobSource from, Predicate<JobObservation> like) throws InterruptedException {
            long deadlineNanos = System.nanoTime() + PATIENCE.toNanos();
            while (System.nanoTime() < deadlineNanos) {
                from.refresh();
                Optional<JobObservation> found = within(BETWEEN_REFRESHES, like);
                if (found.isPresent()) {
                    return found.get();
                }
            }
            throw new AssertionError("Nothing of that kind within " + PATIENCE + ", only " + all());
        }

        private synchronized Optional<JobObservation> within(Duration limit, Predicate<JobObservation> like)
                throws InterruptedException {
            long deadlineNanos = System.nanoTime() + limit.toNanos();
            while (true) {
                Optional<JobObservation> found =
                        observations.stream().filter(like).findFirst();
                long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
                if (found.isPresent() || leftMillis <= 0) {
                    return found;
                }
                wait(leftMillis);
            }
        }
    }

    private JobObservation await(JobId job, JobStatus status) throws InterruptedException {
        return told.await(source, seen -> seen.job().equals(job) && seen.status() == status);
    }

    private static void assertAtOnce(Runnable call) {
        long startNanos = System.nanoTime();
        call.run();
        assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isLessThan(AT_ONCE);
    }

    @Test
    public void itHasANameForTheLogs() {
        assertThat(source.name()).isNotBlank();
    }

    @Test
    public void aQueuedJobIsToldWithAllThatIsKnownOfIt() throws Exception {
        source.start(told);
        JobId job = queueJob(LABELS);
        JobObservation seen = await(job, JobStatus.QUEUED);
        assertThat(seen.repository()).isEqualTo(repository());
        assertThat(seen.labels()).isEqualTo(LABELS);
        assertThat(seen.runnerName()).isEmpty();
        assertThat(seen.source()).isEqualTo(source.name());
    }

    @Test
    public void labelsKeepTheirOrderAndTheirCaseWhoeverTheyAreFor() throws Exception {
        source.start(told);
        List<String> labels = List.of("ubuntu-latest", "Big", "a b", "arm64");
        assertThat(await(queueJob(labels), JobStatus.QUEUED).labels()).isEqualTo(labels);
    }

    @Test
    public void aJobsWayIsToldWithTheRunnerThatHasIt() throws Exception {
        source.start(told);
        JobId job = queueJob(LABELS);
        JobObservation queued = await(job, JobStatus.QUEUED);
        String runner = startJob(job);
        JobObservation started = await(job, JobStatus.IN_PROGRESS);
        assertThat(started.runnerName()).contains(runner);
        endJob(job);
        JobObservation over = await(job, JobStatus.COMPLETED);
        assertThat(over.runnerName()).contains(runner);
        assertThat(List.of(started, over)).allSatisfy(seen -> {
            assertThat(seen.repository()).isEqualTo(repository());
            assertThat(seen.labels()).isEqualTo(LABELS);
            assertThat(seen.workflowRunId()).isEqualTo(queued.workflowRunId());
        });
    }

    @Test
    public void aJobThatIsCancelledBeforeARunnerTookItIsOverWithoutOne() throws Exception {
        source.start(told);
        JobId job = queueJob(LABELS);
        await(job, JobStatus.QUEUED);
        endJob(job);
        assertThat(await(job, JobStatus.COMPLETED).runnerName()).isEmpty();
    }

    @Test
    public void nothingIsSaidOfAJobThatIsNotTrueYet() throws Exception {
        source.start(told);
        JobId job = queueJob(LABELS);
        await(job, JobStatus.QUEUED);
        assertThat(told.all()).extracting(JobObservation::status).containsOnly(JobStatus.QUEUED);
    }

    @Test
    public void jobsAreToldApart() throws Exception {
        source.start(told);
        JobId one = queueJob(LABELS);
        JobId other = queueJob(JobLabels.of("other"));
        assertThat(one).isNotEqualTo(other);
        assertThat(await(one, JobStatus.QUEUED).labels()).isEqualTo(LABELS);
        assertThat(await(other, JobStatus.QUEUED).labels()).isEqualTo(JobLabels.of("other"));
    }

    @Test
    public void whatHappensBeforeTheStartDoesNoHarm() throws Exception {
        source.refresh();
        queueJob(LABELS);
        source.refresh();
        source.start(told);
        await(queueJob(LABELS), JobStatus.QUEUED);
    }

    @Test
    public void startAndRefreshReturnAtOnceAndAForgeThatIsDownIsTriedAgain() throws Exception {
        breakDown();
        assertAtOnce(() -> source.start(told));
        for (int i = 0; i < 100; i++) {
            assertAtOnce(source::refresh);
        }
        repair();
        await(queueJob(LABELS), JobStatus.QUEUED);
    }

    @Test
    public void aSourceThatIsClosedTellsNothingMore() throws Exception {
        JobSource witness = newSource();
        Told toldWitness = new Told();
        source.start(told);
        witness.start(toldWitness);
        await(queueJob(LABELS), JobStatus.QUEUED);
        source.close();
        List<JobObservation> before = told.all();
        JobId late = queueJob(LABELS);
        source.refresh();
        toldWitness.await(witness, seen -> seen.job().equals(late));
        assertThat(told.all()).isEqualTo(before);
    }

    @Test
    public void closeDoesNotReturnWhileTheSinkIsStillBeingTold() throws Exception {
        CountDownLatch telling = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        CompletableFuture<Boolean> closedMeanwhile = new CompletableFuture<>();
        source.start(observation -> {
            if (telling.getCount() == 0) {
                return;
            }
            telling.countDown();
            try {
                closedMeanwhile.complete(closed.await(300, TimeUnit.MILLISECONDS));
            } catch (InterruptedException e) {
                // As good as the end of the wait: close did not return before.
                Thread.currentThread().interrupt();
                closedMeanwhile.complete(closed.getCount() == 0);
            }
        });
        Thread forge = new Thread(
                () -> {
                    try {
                        queueJob(LABELS);
                    } catch (Exception e) {
                        closedMeanwhile.completeExceptionally(e);
                    }
                },
                "forge");
        forge.start();
        while (!telling.await(BETWEEN_REFRESHES.toMillis(), TimeUnit.MILLISECONDS)) {
            source.refresh();
        }
        source.close();
        closed.countDown();
        assertThat(closedMeanwhile.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isFalse();
        forge.join(PATIENCE.toMillis());
    }

    @Test
    public void aSinkMayCloseItsSource() throws Exception {
        CompletableFuture<Void> closed = new CompletableFuture<>();
        source.start(observation -> {
            source.close();
            closed.complete(null);
        });
        queueJob(LABELS);
        source.refresh();
        closed.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    @Test
    public void closingTwiceOrWithoutAStartIsHarmlessAndSoIsARefreshAfterIt() throws Exception {
        source.close();
        source.close();
        source.refresh();
        JobSource started = newSource();
        started.start(told);
        started.close();
        started.close();
        started.refresh();
        assertThat(told.all()).isEmpty();
    }
}
