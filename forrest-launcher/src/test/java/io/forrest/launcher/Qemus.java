package io.forrest.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** QEMUs that belong to a test: those that work below its directory. */
final class Qemus {
    private Qemus() {}

    static List<ProcessHandle> below(Path directory) {
        return ProcessHandle.allProcesses()
                .filter(process -> process.info().command().orElse("").contains("qemu-system"))
                .filter(process -> {
                    try {
                        return Files.readSymbolicLink(Path.of("/proc", Long.toString(process.pid()), "cwd"))
                                .startsWith(directory);
                    } catch (IOException e) {
                        return false;
                    }
                })
                .toList();
    }

    /** Ends them and waits for that. */
    static void kill(Path directory) {
        for (ProcessHandle qemu : below(directory)) {
            qemu.destroyForcibly();
            qemu.onExit().join();
        }
    }
}
