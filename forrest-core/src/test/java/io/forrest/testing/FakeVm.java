package io.forrest.testing;

import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A VM of a {@link FakeHypervisor}: a thread that its {@link FakeGuest} runs on. Thread-safe.
 *
 * <p>However it is ended, its exit completes when the guest's thread has returned and so writes to no disk any more.
 */
public final class FakeVm implements Vm {
    private final VmSpec spec;
    private final long processId;
    private final FakeGuest guest;
    private final Thread thread;
    private final CompletableFuture<VmExit> exit = new CompletableFuture<>();
    private final CountDownLatch powerButton = new CountDownLatch(1);

    // Guarded by this.
    private Optional<VmExit> end = Optional.empty();

    FakeVm(VmSpec spec, long processId, FakeGuest guest) {
        this.spec = spec;
        this.processId = processId;
        this.guest = guest;
        this.thread = new Thread(this::run, "fake-vm-" + spec.machine());
        thread.setDaemon(true);
    }

    void boot() {
        thread.start();
    }

    private void run() {
        try {
            guest.run(this);
            decide(
                    powerButton.getCount() == 0
                            ? new VmExit(VmExit.Kind.STOPPED, "the guest heeded its power button")
                            : new VmExit(VmExit.Kind.CLEAN, "guest-shutdown"));
        } catch (InterruptedException e) {
            decide(new VmExit(VmExit.Kind.FAILED, "interrupted"));
        } catch (Exception | AssertionError e) {
            decide(new VmExit(VmExit.Kind.FAILED, "the guest crashed: " + e));
        } finally {
            VmExit how;
            synchronized (this) {
                how = end.orElse(new VmExit(VmExit.Kind.FAILED, "the guest's thread died"));
            }
            exit.complete(how);
        }
    }

    /** The first decision counts. */
    private synchronized boolean decide(VmExit how) {
        if (end.isPresent()) {
            return false;
        }
        end = Optional.of(how);
        return true;
    }

    private void end(VmExit.Kind kind, String reason) {
        if (decide(new VmExit(kind, reason)) && !Thread.currentThread().equals(thread)) {
            thread.interrupt();
        }
    }

    /** What it was started with. */
    public VmSpec spec() {
        return spec;
    }

    /** Whether it still runs. */
    public boolean isRunning() {
        return !exit.isDone();
    }

    @Override
    public OptionalLong processId() {
        return OptionalLong.of(processId);
    }

    @Override
    public CompletionStage<VmExit> exit() {
        return exit.copy();
    }

    @Override
    public void stop(Duration grace) {
        if (grace.isZero()) {
            end(VmExit.Kind.STOPPED, "stopped");
        } else {
            powerButton.countDown();
            CompletableFuture.delayedExecutor(grace.toMillis(), TimeUnit.MILLISECONDS)
                    .execute(() -> end(VmExit.Kind.STOPPED, "stopped after " + grace));
        }
    }

    /** The guest shuts down in order; for tests that play the guest from outside. Returns before {@link #exit} is done. */
    public void powerOff() {
        end(VmExit.Kind.CLEAN, "guest-shutdown");
    }

    /** The VM's process dies. Returns before {@link #exit} is done. */
    public void crash() {
        end(VmExit.Kind.FAILED, "crashed");
    }

    /** For guests: the disk with this number, as the spec has them. */
    public Path disk(int index) {
        return spec.disks().get(index);
    }

    /** For guests: says something on the first serial port. */
    public void print(String words) throws IOException {
        Files.write(
                spec.serialLog(),
                words.getBytes(StandardCharsets.UTF_8),
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
    }

    /** For guests: waits until somebody presses the power button. */
    public void awaitPowerButton() throws InterruptedException {
        powerButton.await();
    }

    /** For guests: goes on, deaf to the power button, until the VM is ended from outside. */
    public void runForEver() throws InterruptedException {
        new CountDownLatch(1).await();
    }
}
