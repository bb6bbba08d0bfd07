package io.forrest.github;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * Waits that double with each failure in a row, with jitter: hosts that failed together must not come back together. Not
 * thread-safe.
 */
final class BackOff {
    private final Duration first;
    private final Duration longest;
    private final RandomGenerator random;
    private int failures;

    BackOff(Duration first, Duration longest, RandomGenerator random) {
        this.first = first;
        this.longest = longest;
        this.random = random;
    }

    /** The wait after one more failure: at least half of what it would be without jitter, and never more. */
    Duration next() {
        Duration wait = first;
        for (int i = 0; i < failures && wait.compareTo(longest) < 0; i++) {
            wait = wait.multipliedBy(2);
        }
        failures++;
        return jittered(wait.compareTo(longest) < 0 ? wait : longest, random);
    }

    /** Something between half of {@code wait} and all of it. */
    static Duration jittered(Duration wait, RandomGenerator random) {
        return Duration.ofNanos((long) (wait.toNanos() * (0.5 + random.nextDouble() / 2)));
    }

    void reset() {
        failures = 0;
    }
}
