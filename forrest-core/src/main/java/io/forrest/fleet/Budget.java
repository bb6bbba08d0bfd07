package io.forrest.fleet;

import io.forrest.domain.DataSize;

/**
 * What one planning pass may still hand out of something there is only so much of: guest memory, disk space.
 *
 * <p>Of memory it counts the configured guest RAM only. What the hypervisor itself uses on top is the margin the operator
 * leaves between {@code host.ram} and the memory the host really has.
 *
 * <p>Not thread-safe: made, used and dropped on the fleet thread within one pass.
 */
final class Budget {
    private DataSize free;

    /** Less than nothing is nothing: a reload may have lowered {@code host.ram} below what runs. */
    Budget(DataSize total, DataSize taken) {
        free = total.compareTo(taken) > 0 ? total.minus(taken) : DataSize.ZERO;
    }

    /** Whether all of {@code amount} is free. */
    boolean has(DataSize amount) {
        return amount.compareTo(free) <= 0;
    }

    /** Takes {@code amount}, all of which must be free. */
    void claim(DataSize amount) {
        free = free.minus(amount);
    }

    DataSize free() {
        return free;
    }
}
