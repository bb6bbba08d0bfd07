package io.forrest.github;

import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Says once that GitHub is away, and once that it is back, however many requests fail meanwhile. Thread-safe. */
final class Reachability {
    private static final Logger LOG = LoggerFactory.getLogger(Reachability.class);

    /** A request or two fail on good days as well. */
    private static final int OUTAGE_AFTER_FAILURES = 3;

    private final URI address;
    private final Clock clock;
    private final List<Runnable> whenBack = new CopyOnWriteArrayList<>();

    // Guarded by this.
    private int failures;
    private Instant since = Instant.MIN;

    Reachability(URI address, Clock clock) {
        this.address = address;
        this.clock = clock;
    }

    /** {@code action} is called when an outage has ended, on the thread of the request that showed it: it returns at once. */
    void whenBack(Runnable action) {
        whenBack.add(action);
    }

    /** A request was answered by GitHub. */
    void answered() {
        Duration outage;
        synchronized (this) {
            boolean wasAway = isAway();
            failures = 0;
            if (!wasAway) {
                return;
            }
            outage = Duration.between(since, clock.instant()).truncatedTo(ChronoUnit.SECONDS);
        }
        LOG.info("GitHub at {} answers again, after {}.", address, outage);
        whenBack.forEach(Runnable::run);
    }

    /** A request had no answer, or one of a server that is out of order. */
    synchronized void failed(String reason) {
        if (failures == 0) {
            since = clock.instant();
        }
        failures++;
        if (failures == OUTAGE_AFTER_FAILURES) {
            LOG.warn(
                    "GitHub at {} is away: {}. Jobs that run go on; it is asked again later and later, and what was missed"
                            + " is looked for when it is back.",
                    address,
                    reason);
        }
    }

    /** Whether there is an outage, which the log tells of. */
    synchronized boolean isAway() {
        return failures >= OUTAGE_AFTER_FAILURES;
    }
}
