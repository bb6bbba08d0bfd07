package io.forrest.github.embedded;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/** Counts requests by the hour, for each installation and for the App. Thread-safe. */
final class RateLimits {
    private static final Duration WINDOW = Duration.ofHours(1);

    private final Clock clock;
    private final Faults faults;

    // Guarded by this.
    private final Map<String, Count> counts = new HashMap<>();

    RateLimits(Clock clock, Faults faults) {
        this.clock = clock;
        this.faults = faults;
    }

    /**
     * The requests of one hour.
     *
     * @param limit how many are allowed
     * @param used how many of them were made
     * @param reset when counting begins anew
     */
    record Count(int limit, int used, Instant reset) {
        int remaining() {
            return Math.max(0, limit - used);
        }
    }

    synchronized boolean isExceeded(String who) {
        return current(who).remaining() == 0;
    }

    /** Counts a request, or none if it was {@code free}; returns how things stand after it. */
    synchronized Count count(String who, boolean free) {
        Count before = current(who);
        Count after = new Count(before.limit(), before.used() + (free ? 0 : 1), before.reset());
        counts.put(who, after);
        return after;
    }

    /** Of all, in their present hours. */
    synchronized int total() {
        return counts.keySet().stream().mapToInt(who -> current(who).used()).sum();
    }

    private Count current(String who) {
        Instant now = clock.instant();
        Count last = counts.get(who);
        return last == null || !now.isBefore(last.reset())
                ? new Count(faults.requestsPerHour(), 0, now.plus(WINDOW))
                : new Count(faults.requestsPerHour(), last.used(), last.reset());
    }
}
