package io.forrest.testing;

import io.forrest.spi.PluginException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Holds a call up until it is opened. Thread-safe. */
public final class Gate implements CallHooks.Hook {
    private static final Duration LONGEST = Duration.ofSeconds(60);

    private final CountDownLatch entered = new CountDownLatch(1);
    private final CountDownLatch open = new CountDownLatch(1);

    @Override
    public void run() throws PluginException {
        try {
            pass();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PluginException(PluginException.Kind.RETRY_LATER, "interrupted at a gate", e);
        }
    }

    /** As {@link #run}, for guests. */
    public void pass() throws InterruptedException {
        entered.countDown();
        await(open, "opened");
    }

    /** Waits until somebody stands before it. */
    public void awaitEntered() throws InterruptedException {
        await(entered, "entered");
    }

    private static void await(CountDownLatch latch, String what) throws InterruptedException {
        if (!latch.await(LONGEST.toMillis(), TimeUnit.MILLISECONDS)) {
            throw new AssertionError("The gate was not " + what + " within " + LONGEST);
        }
    }

    /** Lets through whoever stands before it or comes later. */
    public void open() {
        open.countDown();
    }
}
