package io.forrest.launcher;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;

/** Waits for what other processes do, which nobody announces. */
public final class Eventually {
    private static final Duration LOOK_AGAIN = Duration.ofMillis(50);

    private Eventually() {}

    /** The first answer that is present; fails when there is none in time. */
    public static <T> T find(String what, Duration atMost, Callable<Optional<T>> look) throws Exception {
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (true) {
            Optional<T> found = look.call();
            if (found.isPresent()) {
                return found.get();
            }
            if (System.nanoTime() > deadlineNanos) {
                throw new AssertionError("not within " + atMost.toSeconds() + " s: " + what);
            }
            LockSupport.parkNanos(LOOK_AGAIN.toNanos());
        }
    }

    public static void holds(String what, Duration atMost, Callable<Boolean> condition) throws Exception {
        find(what, atMost, () -> condition.call() ? Optional.of(true) : Optional.empty());
    }
}
