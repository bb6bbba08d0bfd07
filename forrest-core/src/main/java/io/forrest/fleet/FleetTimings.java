package io.forrest.fleet;

import java.time.Duration;

/**
 * How long the fleet waits for what. Made with {@link #builder}, which begins with the defaults.
 *
 * @param quiet demand is looked at when nothing was heard for this long; a single job should not wait
 * @param burstQuiet this long once queued jobs come in quick succession: more may be on their way, and the biggest goes
 *     first
 * @param longestQuiet but after the first news no later than this
 * @param startTimeout how long a VM may take until its runner is online
 * @param stopTimeout how long a guest may take to power off once its job is over
 * @param jobNewsDelay how late job sources may tell of a job: as long an adopted machine counts as wanted, though nobody
 *     asks for it yet, and an image is not blamed for a guest that ended, though nobody knows of a job it had
 * @param sweepInterval how often all runners of all repositories are looked at
 * @param sightingInterval how often those of repositories with a starting machine are
 * @param spaceInterval how often free disk space is measured
 * @param orphanAge how long an unknown, offline, idle runner of ours is left alone: another host may be starting it
 * @param startRetry when a machine type is tried again of which a machine did not start
 * @param withdrawalRetry when a runner that could not be withdrawn is tried again
 */
public record FleetTimings(
        Duration quiet,
        Duration burstQuiet,
        Duration longestQuiet,
        Duration startTimeout,
        Duration stopTimeout,
        Duration jobNewsDelay,
        Duration sweepInterval,
        Duration sightingInterval,
        Duration spaceInterval,
        Duration orphanAge,
        Retry startRetry,
        Retry withdrawalRetry) {
    public static final FleetTimings DEFAULT = builder().build();

    /** Begins with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** The waits between tries: {@code first} after the first failure, then twice as long each time up to {@code longest}. */
    public record Retry(Duration first, Duration longest) {
        /** The wait after the {@code failures}th failure in a row. */
        Duration after(int failures) {
            Duration wait = first;
            for (int i = 1; i < failures && wait.compareTo(longest) < 0; i++) {
                wait = wait.multipliedBy(2);
            }
            return wait.compareTo(longest) < 0 ? wait : longest;
        }

        /**
         * From all of {@link #after} down to half of it, as {@code random} goes from 0 to 1: what failed at one time, because
         * of one outage, is not to be tried again at one time.
         */
        Duration after(int failures, double random) {
            Duration wait = after(failures);
            return wait.minusNanos((long) (wait.toNanos() / 2.0 * random));
        }
    }

    /** Collects what differs from the defaults. Not thread-safe. */
    public static final class Builder {
        private Duration quiet = Duration.ofMillis(30);
        private Duration burstQuiet = Duration.ofMillis(100);
        private Duration longestQuiet = Duration.ofSeconds(1);
        private Duration startTimeout = Duration.ofMinutes(15);
        private Duration stopTimeout = Duration.ofMinutes(15);
        private Duration jobNewsDelay = Duration.ofMinutes(2);
        private Duration sweepInterval = Duration.ofMinutes(15);
        private Duration sightingInterval = Duration.ofMinutes(1);
        private Duration spaceInterval = Duration.ofSeconds(5);
        private Duration orphanAge = Duration.ofMinutes(15);
        private Retry startRetry = new Retry(Duration.ofSeconds(2), Duration.ofMinutes(5));
        private Retry withdrawalRetry = new Retry(Duration.ofSeconds(30), Duration.ofMinutes(10));

        private Builder() {}

        /** {@code shortest} in a burst, too. */
        public Builder quiet(Duration shortest, Duration longest) {
            quiet = shortest;
            burstQuiet = shortest;
            longestQuiet = longest;
            return this;
        }

        public Builder startTimeout(Duration timeout) {
            startTimeout = timeout;
            return this;
        }

        public Builder stopTimeout(Duration timeout) {
            stopTimeout = timeout;
            return this;
        }

        public Builder jobNewsDelay(Duration delay) {
            jobNewsDelay = delay;
            return this;
        }

        public Builder sweep(Duration interval, Duration sighting, Duration orphan) {
            sweepInterval = interval;
            sightingInterval = sighting;
            orphanAge = orphan;
            return this;
        }

        public Builder spaceInterval(Duration interval) {
            spaceInterval = interval;
            return this;
        }

        public Builder startRetry(Retry retry) {
            startRetry = retry;
            return this;
        }

        public Builder withdrawalRetry(Retry retry) {
            withdrawalRetry = retry;
            return this;
        }

        public FleetTimings build() {
            return new FleetTimings(
                    quiet,
                    burstQuiet,
                    longestQuiet,
                    startTimeout,
                    stopTimeout,
                    jobNewsDelay,
                    sweepInterval,
                    sightingInterval,
                    spaceInterval,
                    orphanAge,
                    startRetry,
                    withdrawalRetry);
        }
    }
}
