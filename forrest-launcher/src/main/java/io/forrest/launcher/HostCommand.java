package io.forrest.launcher;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Runs a program of the host to its end. Thread-safe. */
public final class HostCommand {
    private static final Duration LONGEST_END = Duration.ofSeconds(20);
    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();
    // Guarded by RUNNING.
    private static boolean ending;

    private HostCommand() {}

    /**
     * Ends what runs, with all its children, and waits for that: for a shutdown hook, since they would live on. Scripts
     * clean up when they are told to end, but only once their children have. Nothing starts from now on, but for {@link
     * #cleanUpAsRoot}, which is not ended either.
     */
    public static void endAll() {
        synchronized (RUNNING) {
            ending = true;
        }
        for (Process process : RUNNING) {
            process.descendants().forEach(ProcessHandle::destroy);
            // Unlike Process.destroy, this leaves its output open, so that who reads it still sees it end.
            process.toHandle().destroy();
            try {
                process.waitFor(LONGEST_END.toSeconds(), TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Runs it and returns what it printed; throws with its words if it fails. */
    public static String run(String... command) throws IOException {
        return run(List.of(command), true);
    }

    /** As {@link #run(String...)}, as root: through sudo, without a question, when this user is not. */
    public static String runAsRoot(String... command) throws IOException {
        return run(asRoot(command), true);
    }

    /** As {@link #runAsRoot}, and also when all the others are ended. */
    public static void cleanUpAsRoot(String... command) throws IOException {
        run(asRoot(command), false);
    }

    private static List<String> asRoot(String... command) throws IOException {
        List<String> line = new ArrayList<>();
        if (!isRoot()) {
            if (find("sudo").isEmpty()) {
                throw new IOException(String.join(" ", command) + " needs root, and there is no sudo here");
            }
            line.addAll(List.of("sudo", "-n"));
        }
        line.addAll(List.of(command));
        return line;
    }

    /** Whether this process may mount file systems and the like by itself. */
    public static boolean isRoot() {
        return System.getProperty("user.name").equals("root");
    }

    private static Optional<Path> find(String program) {
        return Stream.of(path().split(File.pathSeparator))
                .map(directory -> Path.of(directory).resolve(program))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** Where administrators' programs are is not on everybody's PATH. */
    private static String path() {
        return Optional.ofNullable(System.getenv("PATH")).orElse("/usr/bin:/bin") + ":/usr/sbin:/sbin";
    }

    private static Process start(ProcessBuilder builder, boolean endable) throws IOException {
        if (!endable) {
            return builder.start();
        }
        synchronized (RUNNING) {
            if (ending) {
                throw new IOException("this process is ending");
            }
            Process process = builder.start();
            RUNNING.add(process);
            return process;
        }
    }

    private static String run(List<String> line, boolean endable) throws IOException {
        Path program = find(line.get(0)).orElseThrow(() -> new IOException("there is no program " + line.get(0)));
        // The JVM would look along its own PATH, whatever the environment says.
        List<String> withPath = new ArrayList<>(line);
        withPath.set(0, program.toString());
        ProcessBuilder builder =
                new ProcessBuilder(withPath).redirectErrorStream(true).redirectInput(new File("/dev/null"));
        builder.environment().put("PATH", path());
        Process process = start(builder, endable);
        String output;
        try (InputStream in = process.getInputStream()) {
            output = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new IOException(String.join(" ", line) + " failed: " + output.strip());
            }
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted: " + String.join(" ", line), e);
        } finally {
            RUNNING.remove(process);
        }
        return output;
    }
}
