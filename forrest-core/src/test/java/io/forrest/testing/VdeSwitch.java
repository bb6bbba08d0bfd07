package io.forrest.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A real VDE switch, in a directory of its own, for as long as it is open. */
public final class VdeSwitch implements AutoCloseable {
    private final Path directory;
    private final Process process;

    /** Starts it, and returns when it takes connections. */
    public VdeSwitch() throws Exception {
        directory = Files.createTempDirectory("vde").resolve("switch");
        // Ends, too, when its input does: with this process.
        process = new ProcessBuilder(HostNeeds.program("vde_switch").toString(), "-s", directory.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        while (!Files.exists(directory.resolve("ctl"))) {
            if (!process.isAlive()) {
                throw new IOException("vde_switch ended with " + process.exitValue());
            }
            Thread.onSpinWait();
        }
    }

    /** What a network interface names. */
    public Path directory() {
        return directory;
    }

    @Override
    public void close() throws IOException {
        process.destroy();
        process.onExit().join();
        Files.deleteIfExists(directory.getParent());
    }
}
