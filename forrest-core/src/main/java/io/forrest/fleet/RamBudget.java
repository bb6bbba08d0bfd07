package io.forrest.fleet;

import io.forrest.domain.DataSize;

/**
 * The guest memory that one planning pass may still hand out.
 *
 * <p>Counts configured guest RAM only. What the hypervisor itself uses on top is the margin the operator leaves between
 * {@code host.ram} and the memory the host really has.
 *
 * <p>Not thread-safe: made, used and dropped on the fleet thread within one pass.
 */
final class RamBudget {
    private DataSize free;

    /** Less than nothing is nothing: a reload may have lowered {@code host.ram} below what runs. */
    RamBudget(DataSize total, DataSize taken) {
        free = total.compareTo(taken) > 0 ? total.minus(taken) : DataSize.ZERO;
    }

    /** Claims all of {@code amount} or none of it, and says which. */
    boolean tryClaim(DataSize amount) {
        if (amount.compareTo(free) > 0) {
            return false;
        }
        free = free.minus(amount);
        return true;
    }

    DataSize free() {
        return free;
    }
}
