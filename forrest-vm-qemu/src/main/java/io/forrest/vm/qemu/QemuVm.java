package io.forrest.vm.qemu;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running QEMU, and the thread that watches it.
 *
 * <p>The guest's own power-off shows as the run state {@code shutdown}, in which QEMU waits (see
 * {@link QemuCommandLine}); this tells it to quit then. Every other end of the process is not clean.
 */
final class QemuVm implements Vm {
    private static final Logger LOG = LoggerFactory.getLogger(QemuVm.class);

    /** QEMU opens its monitor within some 50 ms. */
    private static final Duration RECONNECT = Duration.ofMillis(20);

    /** A guest that boots ignores the power button for good, so it is pressed again and again. */
    private static final Duration POWER_BUTTON_INTERVAL = Duration.ofSeconds(5);

    private static final Duration LONGEST_WITHOUT_MONITOR = Duration.ofSeconds(10);
    static final Duration LONGEST_QUIT = Duration.ofSeconds(10);
    private static final int MOST_LAST_WORDS_BYTES = 2000;

    private final String name;
    private final Path runDirectory;
    private final ProcessHandle process;
    private final CompletableFuture<Integer> processExit;
    private final CompletableFuture<VmExit> exit = new CompletableFuture<>();

    private volatile boolean stopping;
    private volatile boolean closed;
    private volatile Optional<QmpClient> monitor = Optional.empty();

    /**
     * {@code processExit} completes with the exit code, or with -1 where it cannot be known. {@link #watch} must follow.
     */
    QemuVm(String name, Path runDirectory, ProcessHandle process, CompletableFuture<Integer> processExit) {
        this.name = name;
        this.runDirectory = runDirectory;
        this.process = process;
        this.processExit = processExit;
    }

    void watch() {
        Thread watcher = new Thread(this::awaitEnd, "forrest-vm-" + name);
        watcher.setDaemon(true);
        watcher.start();
    }

    private void awaitEnd() {
        try {
            boolean byItself = awaitPowerOff();
            if (!closed) {
                int code = processExit.join();
                exit.complete(describe(byItself, code));
            }
        } catch (InterruptedException e) {
            LOG.debug("Nobody watches {} any more.", name, e);
        } catch (RuntimeException e) {
            // Who waits for its end must hear of it, and not before nothing writes to its disks any more.
            LOG.error("A bug: {} cannot be watched any more, and is ended.", name, e);
            kill();
            processExit.join();
            exit.complete(new VmExit(VmExit.Kind.FAILED, "a bug while it was watched: " + e));
        }
    }

    /**
     * Waits for the guest's power-off and then tells the process to quit; returns whether it came unasked. Returns false,
     * too, when the process has ended without one, or is of no interest any more.
     */
    private boolean awaitPowerOff() throws InterruptedException {
        long failingSinceNanos = System.nanoTime();
        boolean complained = false;
        while (!processExit.isDone() && !closed) {
            try (QmpClient qmp = QmpClient.connect(runDirectory)) {
                monitor = Optional.of(qmp);
                boolean off = qmp.runState().equals("shutdown");
                while (!off) {
                    JsonNode event = qmp.nextEvent();
                    off = event.path("event").asText().equals("SHUTDOWN")
                            && event.path("data").path("reason").asText().equals("guest-shutdown");
                }
                boolean unasked = !stopping;
                quit(qmp);
                return unasked;
            } catch (IOException e) {
                if (monitor.isPresent()) {
                    failingSinceNanos = System.nanoTime();
                }
                if (!complained && System.nanoTime() - failingSinceNanos > LONGEST_WITHOUT_MONITOR.toNanos()) {
                    complained = true;
                    LOG.warn(
                            "The monitor of {} cannot be reached, so its guest's power-off will not be noticed: {}",
                            name,
                            e.toString());
                }
                awaitProcess(RECONNECT);
            } finally {
                monitor = Optional.empty();
            }
        }
        return false;
    }

    private void awaitProcess(Duration atMost) throws InterruptedException {
        try {
            processExit.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            // Who asked looks at processExit again.
        }
    }

    /** The connection stays open meanwhile: QEMU drops what it has not read of one that is closed. */
    private void quit(QmpClient qmp) throws InterruptedException {
        try {
            qmp.send("quit");
        } catch (IOException e) {
            LOG.debug("{} could not be told to quit", name, e);
        }
        awaitProcess(LONGEST_QUIT);
        if (!processExit.isDone()) {
            LOG.warn("{} did not quit after its guest had powered off, and is killed.", name);
            kill();
        }
    }

    private VmExit describe(boolean byItself, int code) {
        if (byItself) {
            return new VmExit(VmExit.Kind.CLEAN, "guest-shutdown");
        }
        if (stopping) {
            return new VmExit(VmExit.Kind.STOPPED, "ended by Forrest");
        }
        if (code == 0) {
            return new VmExit(VmExit.Kind.STOPPED, "QEMU was told to end by somebody on the host");
        }
        return new VmExit(VmExit.Kind.FAILED, "QEMU ended " + (code < 0 ? "" : "with " + code) + lastWords());
    }

    private String lastWords() {
        try (RandomAccessFile log =
                new RandomAccessFile(runDirectory.resolve(QemuHypervisor.OUTPUT).toFile(), "r")) {
            byte[] tail = new byte[(int) Math.min(log.length(), MOST_LAST_WORDS_BYTES)];
            log.seek(log.length() - tail.length);
            log.readFully(tail);
            String words = new String(tail, StandardCharsets.UTF_8).strip().replaceAll("\\s*\\n\\s*", "; ");
            return words.isEmpty() ? "" : ": " + words;
        } catch (IOException e) {
            return "";
        }
    }

    @Override
    public OptionalLong processId() {
        return OptionalLong.of(process.pid());
    }

    @Override
    public CompletionStage<VmExit> exit() {
        return exit.minimalCompletionStage();
    }

    @Override
    public void stop(Duration grace) {
        stopping = true;
        if (grace.isZero() || grace.isNegative()) {
            kill();
        } else {
            pressPowerButton(System.nanoTime() + grace.toNanos());
        }
    }

    private void pressPowerButton(long deadlineNanos) {
        long leftNanos = deadlineNanos - System.nanoTime();
        if (processExit.isDone()) {
            return;
        }
        if (leftNanos <= 0) {
            kill();
            return;
        }
        monitor.ifPresent(qmp -> {
            try {
                qmp.send("system_powerdown");
            } catch (IOException e) {
                LOG.debug("{} did not hear the power button", name, e);
            }
        });
        CompletableFuture.delayedExecutor(Math.min(leftNanos, POWER_BUTTON_INTERVAL.toNanos()), TimeUnit.NANOSECONDS)
                .execute(() -> pressPowerButton(deadlineNanos));
    }

    /** A process handle knows its process by start time, too: a recycled pid is never hit. */
    private void kill() {
        if (!process.destroyForcibly() && process.isAlive()) {
            LOG.warn("{} could not be killed.", name);
        }
    }

    /** Watches no more; the VM goes on. */
    void letGo() {
        closed = true;
        monitor.ifPresent(qmp -> {
            try {
                qmp.close();
            } catch (IOException e) {
                LOG.debug("The monitor of {} goes with this process.", name, e);
            }
        });
    }
}
