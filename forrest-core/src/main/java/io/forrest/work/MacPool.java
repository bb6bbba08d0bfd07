package io.forrest.work;

import io.forrest.domain.MacAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/**
 * Lends hardware addresses. A returned one is lent again before a new one is made: a DHCP server on the guests' network
 * then sees a few machines that come and go, and does not run out of leases. Thread-safe.
 */
final class MacPool {
    private final Supplier<MacAddress> fresh;
    private final Deque<MacAddress> free = new ArrayDeque<>();

    MacPool(Supplier<MacAddress> fresh) {
        this.fresh = fresh;
    }

    synchronized List<MacAddress> lend(int count) {
        List<MacAddress> lent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            lent.add(free.isEmpty() ? fresh.get() : free.removeFirst());
        }
        return lent;
    }

    synchronized void giveBack(List<MacAddress> addresses) {
        free.addAll(addresses);
    }
}
