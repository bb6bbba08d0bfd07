package io.forrest.work;

import io.forrest.domain.MacAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Lends hardware addresses. A returned one is lent again before a new one is made: a DHCP server on the guests' network
 * then sees a few machines that come and go, and does not run out of leases. Thread-safe.
 */
final class MacPool {
    private final Supplier<MacAddress> fresh;
    private final Deque<MacAddress> free = new ArrayDeque<>();
    private final Set<MacAddress> lent = new HashSet<>();

    MacPool(Supplier<MacAddress> fresh) {
        this.fresh = fresh;
    }

    synchronized List<MacAddress> lend(int count) {
        List<MacAddress> addresses = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            MacAddress address = free.isEmpty() ? fresh.get() : free.removeFirst();
            while (!lent.add(address)) {
                address = fresh.get();
            }
            addresses.add(address);
        }
        return addresses;
    }

    /** Takes note of what an earlier Forrest has lent to a machine that goes on. */
    synchronized void takeOver(List<MacAddress> addresses) {
        lent.addAll(addresses);
    }

    synchronized void giveBack(List<MacAddress> addresses) {
        addresses.forEach(lent::remove);
        free.addAll(addresses);
    }
}
