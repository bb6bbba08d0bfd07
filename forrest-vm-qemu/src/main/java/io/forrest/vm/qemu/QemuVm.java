package io.forrest.vm.qemu;

import io.forrest.failpoint.FailPoint;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A QEMU, and the thread that watches it.
 *
 * <p>The guest's own power-off shows as the run state {@code shutdown}, in which QEMU waits (see
 * {@link QemuCommandLine}), paused, with nothing left to write. Its disks are brought to stable storage then, the clean end
 * is written down, and only after that QEMU is told to quit. Every other end of the process is not clean.
 */
final class QemuVm implements Vm {
    private static final Logger LOG = LoggerFactory.getLogger(QemuVm.class);
    private static final String POWERED_OFF = "guest-shutdown";

    /** The run state after a write that found no space, by QEMU's default {@code werror=enospc}. */
    private static final String OUT_OF_SPACE = "io-error";

    private static final Duration GO_ON_AFTER = Duration.ofSeconds(2);

    /** QEMU opens its monitor within some 50 ms. */
    private static final Duration RECONNECT = Duration.ofMillis(20);

    private static final Duration RECONNECT_TO_A_DEAF_ONE = Duration.ofMillis(500);

    /** A guest that boots ignores the power button for good, so it is pressed again and again. */
    private static final Duration POWER_BUTTON_INTERVAL = Duration.ofSeconds(5);

    private static final Duration LONGEST_WITHOUT_MONITOR = Duration.ofSeconds(10);
    private static final Duration LONGEST_LET_GO = Duration.ofSeconds(1);
    private static final Duration LONGEST_UNNOTED = Duration.ofMinutes(10);
    static final Duration LONGEST_QUIT = Duration.ofSeconds(10);

    private final Path runDirectory;
    private final String name;
    private final VmProcess process;
    private final Optional<VmProcess> tpm;
    private final Consumer<QemuVm> onGone;
    private final VmRecord atFirst;
    private final CompletableFuture<Void> looked = new CompletableFuture<>();
    private final CompletableFuture<VmExit> exit = new CompletableFuture<>();
    private final Object noting = new Object();

    private volatile boolean closed;
    private volatile Optional<QmpClient> monitor = Optional.empty();

    /** Of the watching thread. */
    private boolean saidOutOfSpace;

    // Guarded by noting.
    private VmRecord record;
    private boolean saidUnnoted;

    // Guarded by this.
    private Course course;

    /** The guest's power-off and Forrest's stop exclude each other; the first counts. */
    private enum Course {
        RUNNING,
        STOPPING,
        POWERED_OFF
    }

    /**
     * {@code tpm} is what is there of it, and {@code record} what is written down of the VM so far;
     * {@code onGone} is called before its end is told. {@link #watch} must follow.
     */
    QemuVm(Path runDirectory, VmProcess process, Optional<VmProcess> tpm, VmRecord record, Consumer<QemuVm> onGone) {
        this.runDirectory = runDirectory;
        this.name = runDirectory.getFileName().toString();
        this.process = process;
        this.tpm = tpm;
        this.onGone = onGone;
        this.atFirst = record;
        this.record = record;
        this.course = record.stopping() ? Course.STOPPING : Course.RUNNING;
    }

    void watch() {
        Thread watcher = new Thread(this::awaitEnd, "forrest-vm-" + name);
        watcher.setDaemon(true);
        watcher.start();
        if (atFirst.tpm()) {
            CompletableFuture<?> gone = tpm.map(VmProcess::onEnd).orElse(CompletableFuture.completedFuture(null));
            // It goes with QEMU, whose end may be heard of a moment later.
            CompletableFuture<Void> unused = gone.thenRunAsync(this::saysThatTpmIsGone, after(LONGEST_LET_GO));
        }
    }

    private void saysThatTpmIsGone() {
        if (!process.hasEnded() && !closed) {
            LOG.warn(
                    "The TPM of {} has ended, so its guest has none any more{}",
                    name,
                    LastWords.of(runDirectory.resolve(Swtpm.OUTPUT)));
        }
    }

    /** Waits until it is known whether the guest has powered off already, but no longer than this. */
    void awaitFirstLook(Duration atMost) throws InterruptedException {
        try {
            looked.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.debug("The monitor of {} has not answered yet.", name, e);
        }
    }

    private void awaitEnd() {
        try {
            if (atFirst.stopping() || atFirst.exit().isPresent()) {
                // What an earlier Forrest began. After a power-off there is nothing left that this could harm.
                process.kill();
            }
            Optional<VmExit> end = atFirst.exit();
            if (end.isEmpty()) {
                end = awaitPowerOff();
            }
            while (!process.awaitEnd(LONGEST_LET_GO)) {
                if (closed) {
                    return;
                }
            }
            endTpm();
            if (!closed) {
                tell(end.isPresent() ? end.get() : withoutPowerOff());
            }
        } catch (InterruptedException e) {
            LOG.debug("Nobody watches {} any more.", name, e);
        } catch (RuntimeException e) {
            // Who waits for its end must hear of it, and not before nothing writes to its disks any more.
            LOG.error("A bug: {} cannot be watched any more, and is ended.", name, e);
            process.kill();
            CompletableFuture<Void> unused = process.onEnd().thenRun(() -> {
                endTpm();
                tell(new VmExit(VmExit.Kind.FAILED, "a bug while it was watched: " + e));
            });
        } finally {
            looked.complete(null);
        }
    }

    private void tell(VmExit how) {
        onGone.accept(this);
        exit.complete(how);
    }

    /** It ends by itself, a moment later; but nothing may be left in the run directory after the VM's end. */
    private void endTpm() {
        tpm.ifPresent(process -> Swtpm.end(runDirectory, process));
    }

    /**
     * Waits for the guest's power-off, tells the process to quit then, and returns how it ends by that. Empty if Forrest
     * had asked for it, if the process has ended without, or if it is of no interest any more.
     */
    private Optional<VmExit> awaitPowerOff() throws InterruptedException {
        long failingSinceNanos = System.nanoTime();
        boolean complained = false;
        while (!process.hasEnded() && !closed) {
            try (QmpClient qmp = QmpClient.open()) {
                monitor = Optional.of(qmp);
                connect(qmp);
                for (String state = qmp.runState(); !state.equals("shutdown"); state = qmp.runState()) {
                    looked.complete(null);
                    if (state.equals(OUT_OF_SPACE)) {
                        goOnSoon(qmp);
                    }
                    qmp.awaitEvent();
                }
                Optional<VmExit> end = settlePowerOff(qmp.shutdownReason().orElse(POWERED_OFF));
                quit(qmp);
                return end;
            } catch (IOException e) {
                if (monitor.filter(QmpClient::isReady).isPresent()) {
                    failingSinceNanos = System.nanoTime();
                }
                if (!complained && System.nanoTime() - failingSinceNanos > LONGEST_WITHOUT_MONITOR.toNanos()) {
                    complained = true;
                    LOG.warn(
                            "The monitor of {} cannot be reached, so its guest's power-off will not be noticed: {}",
                            name,
                            e.toString());
                }
                process.awaitEnd(complained ? RECONNECT_TO_A_DEAF_ONE : RECONNECT);
            } finally {
                monitor = Optional.empty();
            }
        }
        return Optional.empty();
    }

    /**
     * QEMU pauses a guest whose disk cannot grow, and tries the write again when it is told to go on. Every try ends with
     * an event, after which the state is looked at again.
     */
    private void goOnSoon(QmpClient qmp) {
        if (!saidOutOfSpace) {
            saidOutOfSpace = true;
            LOG.warn(
                    "{} is paused, since there is no space for what its guest writes: it goes on when there is.", name);
        }
        after(GO_ON_AFTER).execute(() -> {
            try {
                qmp.send("cont");
            } catch (IOException e) {
                LOG.debug("{} could not be told to go on", name, e);
            }
        });
    }

    /** Another client, e.g. a Forrest that is just ending, may keep the monitor busy. */
    private void connect(QmpClient qmp) throws IOException {
        if (closed) {
            throw new IOException("nobody watches any more");
        }
        CompletableFuture<Void> tooLong = CompletableFuture.runAsync(() -> close(qmp), after(LONGEST_WITHOUT_MONITOR));
        try {
            qmp.connect(runDirectory);
        } finally {
            tooLong.cancel(false);
        }
    }

    private static Executor after(Duration delay) {
        return CompletableFuture.delayedExecutor(delay.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** To be called while QEMU waits, paused. */
    private Optional<VmExit> settlePowerOff(String reason) throws InterruptedException {
        synchronized (this) {
            if (course == Course.STOPPING) {
                return Optional.empty();
            }
            course = Course.POWERED_OFF;
        }
        looked.complete(null);
        FailPoint.POWER_OFF_SEEN.pass();
        VmExit end;
        if (!reason.equals(POWERED_OFF)) {
            end = new VmExit(VmExit.Kind.FAILED, "QEMU shut it down: " + reason);
        } else {
            try {
                atFirst.syncDisks(runDirectory);
                end = new VmExit(VmExit.Kind.CLEAN, POWERED_OFF);
            } catch (IOException e) {
                end = new VmExit(
                        VmExit.Kind.FAILED,
                        "its guest powered off, but what it wrote cannot be brought to stable storage: " + e);
            }
        }
        // A full store is often not full for long; until this is written, a crash of Forrest would cost the disk.
        long triesLeft = LONGEST_UNNOTED.toSeconds();
        while (!note(end) && triesLeft-- > 0) {
            if (closed) {
                throw new InterruptedException("the next Forrest finds it, as it has not been told to quit");
            }
            process.awaitEnd(Duration.ofSeconds(1));
        }
        FailPoint.POWER_OFF_RECORDED.pass();
        return Optional.of(end);
    }

    private boolean note(VmExit end) {
        return note(noted -> noted.withExit(end));
    }

    private boolean note(UnaryOperator<VmRecord> change) {
        synchronized (noting) {
            record = change.apply(record);
            try {
                // If somebody removed or replaced the run directory, nothing is to appear in its place.
                if (VmRecord.read(runDirectory).isPresent()) {
                    record.write(runDirectory);
                }
                return true;
            } catch (IOException e) {
                if (!saidUnnoted) {
                    saidUnnoted = true;
                    LOG.warn(
                            "How {} ends cannot be written down in {}, so the next Forrest would not know: {}",
                            name,
                            runDirectory,
                            e.toString());
                }
                return false;
            }
        }
    }

    /** The connection stays open meanwhile: QEMU drops what it has not read of one that is closed. */
    private void quit(QmpClient qmp) throws InterruptedException {
        try {
            qmp.send("quit");
        } catch (IOException e) {
            LOG.debug("{} could not be told to quit", name, e);
        }
        if (!process.awaitEnd(LONGEST_QUIT)) {
            LOG.warn("{} did not quit after its guest had powered off, and is killed.", name);
            process.kill();
        }
    }

    /** How it ended, now that the process is gone and no power-off was seen here. */
    private VmExit withoutPowerOff() {
        try {
            // A Forrest that was just ending may have seen more.
            Optional<VmExit> noted = VmRecord.read(runDirectory).flatMap(VmRecord::exit);
            if (noted.isPresent()) {
                return noted.get();
            }
        } catch (IOException e) {
            LOG.warn("What is written down of {} cannot be read: {}", name, e.toString());
        }
        VmExit end = describe(process.exitCode());
        note(end);
        return end;
    }

    private VmExit describe(OptionalInt code) {
        synchronized (this) {
            if (course == Course.STOPPING) {
                return new VmExit(VmExit.Kind.STOPPED, "ended by Forrest");
            }
        }
        if (code.isPresent() && code.getAsInt() == 0) {
            return new VmExit(VmExit.Kind.STOPPED, "QEMU was told to end by somebody on the host");
        }
        String words = code.isPresent() ? "QEMU ended with " + code.getAsInt() : "QEMU ended";
        return new VmExit(VmExit.Kind.FAILED, words + lastWords());
    }

    private String lastWords() {
        return LastWords.of(runDirectory.resolve(QemuHypervisor.OUTPUT))
                + (atFirst.tpm() ? LastWords.of("; its TPM: ", runDirectory.resolve(Swtpm.OUTPUT)) : "");
    }

    @Override
    public OptionalLong processId() {
        return OptionalLong.of(process.id());
    }

    @Override
    public CompletionStage<VmExit> exit() {
        return exit.minimalCompletionStage();
    }

    @Override
    public void stop(Duration grace) {
        synchronized (this) {
            if (course == Course.POWERED_OFF) {
                return;
            }
            course = Course.STOPPING;
        }
        if (grace.isZero() || grace.isNegative()) {
            process.kill();
            return;
        }
        long deadlineNanos = System.nanoTime() + grace.toNanos();
        CompletableFuture<Void> unused = CompletableFuture.runAsync(() -> {
            // The next Forrest must not take the power-off that follows for the guest's own.
            note(VmRecord::withStopping);
            pressPowerButton(deadlineNanos);
        });
    }

    private void pressPowerButton(long deadlineNanos) {
        long leftNanos = deadlineNanos - System.nanoTime();
        if (process.hasEnded()) {
            return;
        }
        if (leftNanos <= 0) {
            process.kill();
            return;
        }
        monitor.filter(QmpClient::isReady).ifPresent(qmp -> {
            try {
                qmp.send("system_powerdown");
            } catch (IOException e) {
                LOG.debug("{} did not hear the power button", name, e);
            }
        });
        after(Duration.ofNanos(Math.min(leftNanos, POWER_BUTTON_INTERVAL.toNanos())))
                .execute(() -> pressPowerButton(deadlineNanos));
    }

    /** Watches no more; the VM goes on. */
    void letGo() {
        closed = true;
        monitor.ifPresent(this::close);
    }

    private void close(QmpClient qmp) {
        try {
            qmp.close();
        } catch (IOException e) {
            LOG.debug("The monitor of {} goes with this process.", name, e);
        }
    }
}
