package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.spi.JobSource;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.testng.annotations.Test;

public class FakeJobSourceTest extends JobSourceContract {
    private final List<FakeJobSource> sources = new ArrayList<>();

    @Override
    protected void openForge() {
        sources.clear();
    }

    @Override
    protected JobSource source() {
        FakeJobSource made = new FakeJobSource(Clock.systemUTC());
        sources.add(made);
        return made;
    }

    /** All fakes count alike, so that one push is the same job for each of them. */
    @Override
    protected JobId queueJob(List<String> labels) {
        return sources.stream()
                .map(fake -> fake.queue(repository(), labels))
                .reduce((one, other) -> other)
                .orElseThrow();
    }

    @Override
    protected String startJob(JobId job) {
        sources.forEach(fake -> fake.start(job, "runner-of-" + job));
        return "runner-of-" + job;
    }

    @Override
    protected void endJob(JobId job) {
        sources.forEach(fake -> fake.complete(job));
    }

    @Override
    protected void breakDown() {}

    @Override
    protected void repair() {}

    @Test
    public void itCountsHowOftenItWasAskedToLookAgain() {
        FakeJobSource fake = new FakeJobSource(Clock.systemUTC());
        List<JobObservation> told = new ArrayList<>();
        fake.start(told::add);
        fake.refresh();
        fake.refresh();
        assertThat(fake.refreshes()).isEqualTo(2);
        assertThat(told).isEmpty();
    }
}
