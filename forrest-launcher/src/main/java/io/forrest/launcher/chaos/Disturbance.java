package io.forrest.launcher.chaos;

import java.time.Duration;

/**
 * Something else than the daemon fails, once.
 *
 * @param afterJob when the job with this number has been queued ...
 * @param delay ... and so much time has passed
 * @param what to do
 * @param choice which of the VMs there are then, counted around; or how many webhooks
 * @param length for how long, where it is a state
 */
record Disturbance(int afterJob, Duration delay, What what, int choice, Duration length) {
    /** What is done. */
    enum What {
        KILL_VM,
        FILL_STORE,
        DROP_WEBHOOKS,
        DOUBLE_WEBHOOKS,
        REORDER_WEBHOOKS
    }

    /** For people. */
    @Override
    public String toString() {
        String words =
                switch (what) {
                    case KILL_VM -> "kill VM " + choice;
                    case FILL_STORE -> "fill the store for " + length.toSeconds() + " s";
                    case DROP_WEBHOOKS -> "drop " + choice + " webhooks";
                    case DOUBLE_WEBHOOKS -> "double webhooks for " + length.toSeconds() + " s";
                    case REORDER_WEBHOOKS -> "reorder " + choice + " webhooks";
                };
        return "%s %.1f s after job %d".formatted(words, delay.toMillis() / 1000.0, afterJob);
    }
}
