package io.forrest.work;

import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Has what goes wrong round after round said once, and again only if it went well in between. For one thread.
 */
final class StandingTroubles {
    private final Consumer<String> sayer;
    private Set<String> before = Set.of();
    private Set<String> now = new HashSet<>();

    StandingTroubles(Consumer<String> sayer) {
        this.sayer = sayer;
    }

    /** Says it unless that was done. */
    void say(String trouble) {
        if (isNew(trouble)) {
            sayer.accept(trouble);
        }
    }

    /** Takes note of it. Whether it was neither there in the last round nor in this one so far. */
    boolean isNew(String trouble) {
        return now.add(trouble) && !before.contains(trouble);
    }

    void endRound() {
        before = now;
        now = new HashSet<>();
    }
}
