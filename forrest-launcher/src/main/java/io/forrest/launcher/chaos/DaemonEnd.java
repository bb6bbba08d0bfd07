package io.forrest.launcher.chaos;

import io.forrest.failpoint.FailPoint;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * How one daemon's life is to end.
 *
 * @param step at which it kills itself, if it does
 * @param count when it passes that step for so many times
 * @param after without a step: how long after the process' start it is killed, or after it was ready it is told to end
 */
record DaemonEnd(How how, Optional<FailPoint> step, int count, Duration after) {
    /** The ways. */
    enum How {
        /** At a labelled step. */
        AT_STEP,
        /** By SIGKILL, whatever it does. */
        KILLED,
        /** By SIGTERM, as for an upgrade. */
        TOLD
    }

    DaemonEnd {
        Objects.requireNonNull(how);
        Objects.requireNonNull(step);
        Objects.requireNonNull(after);
    }

    static DaemonEnd at(FailPoint step, int count) {
        return new DaemonEnd(How.AT_STEP, Optional.of(step), count, Duration.ZERO);
    }

    static DaemonEnd killed(Duration after) {
        return new DaemonEnd(How.KILLED, Optional.empty(), 1, after);
    }

    static DaemonEnd told(Duration after) {
        return new DaemonEnd(How.TOLD, Optional.empty(), 1, after);
    }

    boolean isKill() {
        return how != How.TOLD;
    }

    /** The value of FORREST_FAILPOINT that does it. */
    Optional<String> failPoint() {
        return step.map(where -> where.name() + ":" + count);
    }

    /** For people. */
    @Override
    public String toString() {
        return switch (how) {
            case AT_STEP -> failPoint().orElseThrow();
            case KILLED -> "SIGKILL %.1f s after its start".formatted(after.toMillis() / 1000.0);
            case TOLD -> "SIGTERM %.1f s after it was ready".formatted(after.toMillis() / 1000.0);
        };
    }
}
