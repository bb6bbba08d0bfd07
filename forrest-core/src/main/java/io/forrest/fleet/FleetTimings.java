package io.forrest.fleet;

import java.time.Duration;

/**
 * How long the fleet waits for what.
 *
 * @param quiet demand is looked at when nothing was heard for this long; a single job should not wait
 * @param burstQuiet this long once queued jobs come in quick succession: more may be on their way, and the biggest goes
 *     first
 * @param longestQuiet but after the first news no later than this
 * @param startTimeout how long a VM may take until its runner is online
 * @param stopTimeout how long a guest may take to power off once its job is over
 * @param sweepInterval how often all runners of all repositories are looked at
 * @param sightingInterval how often those of repositories with a starting machine are
 * @param orphanAge how long an unknown, offline, idle runner of ours is left alone: another host may be starting it
 * @param firstBackOff the wait after a failed start; doubles with each further one
 * @param longestBackOff and is never longer than this
 */
public record FleetTimings(
        Duration quiet,
        Duration burstQuiet,
        Duration longestQuiet,
        Duration startTimeout,
        Duration stopTimeout,
        Duration sweepInterval,
        Duration sightingInterval,
        Duration orphanAge,
        Duration firstBackOff,
        Duration longestBackOff) {
    public static final FleetTimings DEFAULT = new FleetTimings(
            Duration.ofMillis(30),
            Duration.ofMillis(100),
            Duration.ofSeconds(1),
            Duration.ofMinutes(15),
            Duration.ofMinutes(15),
            Duration.ofMinutes(15),
            Duration.ofMinutes(1),
            Duration.ofMinutes(15),
            Duration.ofSeconds(2),
            Duration.ofMinutes(5));

    public FleetTimings withStartTimeout(Duration timeout) {
        return new FleetTimings(
                quiet,
                burstQuiet,
                longestQuiet,
                timeout,
                stopTimeout,
                sweepInterval,
                sightingInterval,
                orphanAge,
                firstBackOff,
                longestBackOff);
    }

    public FleetTimings withStopTimeout(Duration timeout) {
        return new FleetTimings(
                quiet,
                burstQuiet,
                longestQuiet,
                startTimeout,
                timeout,
                sweepInterval,
                sightingInterval,
                orphanAge,
                firstBackOff,
                longestBackOff);
    }

    public FleetTimings withSweep(Duration sweep, Duration sighting, Duration orphan) {
        return new FleetTimings(
                quiet,
                burstQuiet,
                longestQuiet,
                startTimeout,
                stopTimeout,
                sweep,
                sighting,
                orphan,
                firstBackOff,
                longestBackOff);
    }

    /** {@code shortest} in a burst, too. */
    public FleetTimings withQuiet(Duration shortest, Duration longest) {
        return new FleetTimings(
                shortest,
                shortest,
                longest,
                startTimeout,
                stopTimeout,
                sweepInterval,
                sightingInterval,
                orphanAge,
                firstBackOff,
                longestBackOff);
    }

    public FleetTimings withBackOff(Duration first, Duration longest) {
        return new FleetTimings(
                quiet,
                burstQuiet,
                longestQuiet,
                startTimeout,
                stopTimeout,
                sweepInterval,
                sightingInterval,
                orphanAge,
                first,
                longest);
    }
}
