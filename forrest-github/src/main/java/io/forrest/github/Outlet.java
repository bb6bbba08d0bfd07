package io.forrest.github;

import io.forrest.domain.JobObservation;
import io.forrest.spi.JobSink;
import java.util.Optional;

/**
 * Where a source's observations go. Nothing goes there any more once {@link #close} has returned: the sink never blocks, so
 * it is called under the lock. Thread-safe.
 */
final class Outlet {
    // Guarded by this.
    private Optional<JobSink> sink = Optional.empty();

    synchronized void open(JobSink observer) {
        sink = Optional.of(observer);
    }

    synchronized boolean isOpen() {
        return sink.isPresent();
    }

    /** Whether anybody was there to be told. */
    synchronized boolean tell(JobObservation observation) {
        sink.ifPresent(observer -> observer.observe(observation));
        return sink.isPresent();
    }

    synchronized void close() {
        sink = Optional.empty();
    }
}
