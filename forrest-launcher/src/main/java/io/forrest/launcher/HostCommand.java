package io.forrest.launcher;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs a program of the host to its end. */
public final class HostCommand {
    private HostCommand() {}

    /** Runs it and returns what it printed; throws with its words if it fails. */
    public static String run(String... command) throws IOException {
        return run(List.of(command), new File("."));
    }

    /** As {@link #run(String...)}, as root: through sudo, without a question, when this user is not. */
    public static String runAsRoot(String... command) throws IOException {
        List<String> line = new ArrayList<>();
        if (!isRoot()) {
            line.addAll(List.of("sudo", "-n"));
        }
        line.addAll(List.of(command));
        return run(line, new File("."));
    }

    /** Whether this process may mount file systems and the like by itself. */
    public static boolean isRoot() {
        return System.getProperty("user.name").equals("root");
    }

    /** Whether a program of this name can be run. */
    public static boolean exists(String program) {
        for (String directory : (System.getenv("PATH") + ":/usr/sbin:/sbin").split(":", -1)) {
            if (java.nio.file.Files.isExecutable(Path.of(directory).resolve(program))) {
                return true;
            }
        }
        return false;
    }

    private static String run(List<String> line, File directory) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(line)
                .directory(directory)
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"));
        // Where administrators' programs are is not on everybody's PATH.
        builder.environment().merge("PATH", "/usr/sbin:/sbin", (path, sbin) -> path + ":" + sbin);
        Process process = builder.start();
        String output;
        try (InputStream in = process.getInputStream()) {
            output = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        try {
            if (process.waitFor() != 0) {
                throw new IOException(String.join(" ", line) + " failed: " + output.strip());
            }
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted: " + String.join(" ", line), e);
        }
        return output;
    }
}
