package io.forrest.testing;

import io.forrest.spi.PluginException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/**
 * Has the calls of a fake fail or wait. Thread-safe.
 *
 * @param <C> the fake's calls
 */
public final class CallHooks<C extends Enum<C>> {
    private static final Hook NOTHING = () -> {};

    // Guarded by this.
    private final Map<C, Deque<Hook>> next;
    private final Map<C, Hook> each;

    /**
     * Comes before a call, on the caller's thread. It may block; what it throws the call throws, and does nothing. A
     * {@link RuntimeException} makes it a plugin with a bug.
     */
    @FunctionalInterface
    public interface Hook {
        void run() throws PluginException;
    }

    CallHooks(Class<C> calls) {
        next = new EnumMap<>(calls);
        each = new EnumMap<>(calls);
    }

    /** Runs before the next such call; several given in a row run before as many calls in a row. */
    public synchronized void beforeNext(C call, Hook hook) {
        next.computeIfAbsent(call, any -> new ArrayDeque<>()).add(hook);
    }

    /** Runs before every such call that {@link #beforeNext} says nothing of. */
    public synchronized void beforeEach(C call, Hook hook) {
        each.put(call, hook);
    }

    /** The next such call fails. */
    public void failNext(C call, PluginException.Kind kind) {
        beforeNext(call, failure(call, kind));
    }

    /** Every such call fails from now on; with empty, none does. */
    public void failEach(C call, Optional<PluginException.Kind> kind) {
        beforeEach(call, kind.map(any -> failure(call, any)).orElse(NOTHING));
    }

    private Hook failure(C call, PluginException.Kind kind) {
        return () -> {
            throw new PluginException(kind, "the fake was told to fail " + call + " with " + kind);
        };
    }

    /** To be called by the fake without its lock, as a hook may block. */
    void enter(C call) throws PluginException {
        Hook hook;
        synchronized (this) {
            Deque<Hook> queue = next.get(call);
            hook = queue == null || queue.isEmpty() ? each.getOrDefault(call, NOTHING) : queue.remove();
        }
        hook.run();
    }
}
