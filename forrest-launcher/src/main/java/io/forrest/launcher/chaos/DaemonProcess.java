package io.forrest.launcher.chaos;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** One life of the daemon, in a process of its own. One thread. */
final class DaemonProcess implements AutoCloseable {
    private static final String READY = "Forrest is ready.";
    private static final long LONGEST_DEATH_SECONDS = 10;

    private final Process process;
    private final Path log;
    private final long startNanos = System.nanoTime();
    private long readyNanos = -1;

    private DaemonProcess(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    /** Starts it with this program's own class path. What it says goes to {@code log}. */
    static DaemonProcess start(Path config, Path log, Optional<String> failPoint) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        // Its start is what is waited for most.
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ChaosDaemon.class.getName(),
                        config.toString())
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().remove("NOTIFY_SOCKET");
        failPoint.ifPresent(value -> builder.environment().put("FORREST_FAILPOINT", value));
        return new DaemonProcess(builder.start(), log);
    }

    Path log() {
        return log;
    }

    /** Whether it has said that it is ready. */
    boolean isReady() throws IOException {
        if (readyNanos < 0 && Files.readString(log, StandardCharsets.UTF_8).contains(READY)) {
            readyNanos = System.nanoTime();
        }
        return readyNanos >= 0;
    }

    /** How long it took until it was seen to be ready. */
    Optional<Long> millisToReady() {
        return readyNanos < 0 ? Optional.empty() : Optional.of((readyNanos - startNanos) / 1_000_000);
    }

    long millisSinceStart() {
        return (System.nanoTime() - startNanos) / 1_000_000;
    }

    /** 0 before that. */
    long millisSinceReady() {
        return readyNanos < 0 ? 0 : (System.nanoTime() - readyNanos) / 1_000_000;
    }

    /** Empty while it runs. */
    OptionalInt exitCode() {
        return process.isAlive() ? OptionalInt.empty() : OptionalInt.of(process.exitValue());
    }

    void kill() {
        process.destroyForcibly();
    }

    void terminate() {
        process.destroy();
    }

    /** The end of what it said. */
    List<String> lastWords(int lines) throws IOException {
        List<String> all = Files.readAllLines(log, StandardCharsets.UTF_8);
        return all.subList(Math.max(0, all.size() - lines), all.size());
    }

    /** Kills it, if it lives, and waits for that. */
    @Override
    public void close() {
        process.destroyForcibly();
        try {
            process.onExit().orTimeout(LONGEST_DEATH_SECONDS, TimeUnit.SECONDS).join();
        } catch (CompletionException e) {
            System.err.println("The daemon " + process.pid() + " does not end.");
        }
    }
}
