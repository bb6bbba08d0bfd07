package io.forrest.spi;

import io.forrest.domain.JobObservation;

/** Takes what sources saw of jobs. Never blocks, never throws, callable from any thread. */
@FunctionalInterface
public interface JobSink {
    /** Repeated, late and contradictory observations are welcome: jobs only move forward. */
    void observe(JobObservation observation);
}
