package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import io.forrest.spi.PluginException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Who is looked at when. */
public class TurnsTest {
    private static final Duration NEVER = Duration.ofDays(1);

    private final Semaphore mayEnd = new Semaphore(0);
    private final BlockingQueue<Integer> begun = new LinkedBlockingQueue<>();
    private final AtomicInteger underWay = new AtomicInteger();
    private final AtomicInteger rests = new AtomicInteger();
    private final Map<Integer, PluginException> failures = new ConcurrentHashMap<>();
    private volatile Set<Integer> all;
    private Turns<Integer> turns;

    @BeforeMethod
    public void start() {
        begun.clear();
        failures.clear();
        mayEnd.drainPermits();
        underWay.set(0);
        rests.set(0);
        all = new LinkedHashSet<>(IntStream.range(0, 10).boxed().toList());
        turns = new Turns<>("test-turns", 3, new Numbers(), NEVER, new Random(1));
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        turns.close();
    }

    private final class Numbers implements Turns.Subject<Integer> {
        @Override
        public Set<Integer> all() {
            return all;
        }

        @Override
        public void look(Integer one) throws PluginException {
            underWay.incrementAndGet();
            begun.add(one);
            try {
                mayEnd.acquire();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                underWay.decrementAndGet();
            }
            if (failures.containsKey(one)) {
                throw failures.get(one);
            }
        }

        @Override
        public String name(Integer one) {
            return "number " + one;
        }

        @Override
        public Duration pause(Integer one) {
            return Duration.ZERO;
        }

        @Override
        public boolean isKnown(Exception failure) {
            return false;
        }

        @Override
        public void rest() {
            rests.incrementAndGet();
        }
    }

    private List<Integer> begun(int count) throws InterruptedException {
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Integer next = begun.poll(30, TimeUnit.SECONDS);
            assertThat(next).as("nothing begins").isNotNull();
            numbers.add(next);
        }
        return numbers;
    }

    private static void await(CompletableFuture<Void> end) throws Exception {
        end.get(30, TimeUnit.SECONDS);
    }

    @Test
    public void noMoreAreLookedAtAtOnceThanAllowedAndEachHasItsTurn() throws Exception {
        CompletableFuture<Void> end = turns.now();
        List<Integer> order = begun(3);
        for (int i = 0; i < 7; i++) {
            assertThat(underWay).hasValueLessThanOrEqualTo(3);
            assertThat(begun).isEmpty();
            mayEnd.release();
            order.addAll(begun(1));
        }
        assertThat(end).isNotDone();
        mayEnd.release(3);
        await(end);
        assertThat(order).containsExactlyInAnyOrderElementsOf(all);
        assertThat(rests).hasValue(1);
    }

    @Test
    public void whoHangsKeepsNobodyElseFromTheirTurns() throws Exception {
        all = Set.of(1);
        CompletableFuture<Void> hanging = turns.now();
        begun(1);
        all = Set.of(1, 2, 3);
        CompletableFuture<Void> others = turns.now();
        assertThat(begun(2)).containsExactlyInAnyOrder(2, 3);
        // It is not looked at twice at the same time, but again afterwards, for what changed meanwhile.
        assertThat(begun).isEmpty();
        mayEnd.release(3);
        await(hanging);
        assertThat(begun(1)).containsExactly(1);
        assertThat(others).isNotDone();
        mayEnd.release();
        await(others);
    }

    @Test
    public void whoIsNotThereAnyMoreIsWaitedForByNobody() throws Exception {
        CompletableFuture<Void> end = turns.now();
        begun(3);
        all = Set.of();
        await(turns.now());
        await(end);
    }

    @Test
    public void aFailureIsSaidOnceAndItsEndToo() throws Exception {
        all = Set.of(1);
        mayEnd.release(100);
        failures.put(1, new PluginException(PluginException.Kind.RETRY_LATER, "No luck."));
        try (CapturedLog log = new CapturedLog()) {
            await(turns.now());
            await(turns.now());
            failures.clear();
            await(turns.now());
            await(turns.now());
            assertThat(log.ofForrest(Level.WARN))
                    .containsExactly("Could not look for number 1. No luck. It is tried again later and later.");
            assertThat(log.ofForrest(Level.INFO)).containsExactly("Can look for number 1 again.");
        }
    }
}
