package io.forrest.launcher.chaos;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** The processes that work in a base directory or were started with its name: VMs and what belongs to them. */
final class StoreProcesses implements AutoCloseable {
    private static final Path PROC = Path.of("/proc");
    private static final String VM = "qemu-system";
    private static final Duration LONGEST_DEATH = Duration.ofSeconds(10);

    private final Path baseDirectory;

    /** A VM and the name of its machine. */
    record VmProcess(ProcessHandle process, String runnerName) {}

    StoreProcesses(Path baseDirectory) {
        this.baseDirectory = baseDirectory;
    }

    /** Those there are now, by process id. */
    List<ProcessHandle> all() {
        return ProcessHandle.allProcesses()
                .filter(process -> process.pid() != ProcessHandle.current().pid())
                .filter(this::isOurs)
                .sorted(Comparator.comparing(ProcessHandle::pid))
                .toList();
    }

    /** The VMs there are now, by the name of their machine. */
    List<VmProcess> vms() {
        return all().stream()
                .filter(process -> commandLine(process).replaceFirst(" .*", "").contains(VM))
                .flatMap(process ->
                        workingDirectory(process)
                                .map(directory -> new VmProcess(
                                        process, directory.getFileName().toString()))
                                .stream())
                .sorted(Comparator.comparing(VmProcess::runnerName))
                .toList();
    }

    private boolean isOurs(ProcessHandle process) {
        return workingDirectory(process)
                        .filter(directory -> directory.startsWith(baseDirectory))
                        .isPresent()
                || commandLine(process).contains(baseDirectory.toString());
    }

    private static Optional<Path> workingDirectory(ProcessHandle process) {
        try {
            return Optional.of(Files.readSymbolicLink(
                    PROC.resolve(Long.toString(process.pid())).resolve("cwd")));
        } catch (IOException e) {
            // It is gone, or somebody else's.
            return Optional.empty();
        }
    }

    /** For people; empty if it is gone. */
    static String commandLine(ProcessHandle process) {
        try {
            byte[] line = Files.readAllBytes(
                    PROC.resolve(Long.toString(process.pid())).resolve("cmdline"));
            return new String(line, StandardCharsets.UTF_8).replace('\0', ' ').strip();
        } catch (IOException e) {
            return "";
        }
    }

    /** Kills them all and waits for that. */
    @Override
    public void close() {
        List<ProcessHandle> left = all();
        left.forEach(ProcessHandle::destroyForcibly);
        for (ProcessHandle process : left) {
            try {
                process.onExit()
                        .orTimeout(LONGEST_DEATH.toMillis(), TimeUnit.MILLISECONDS)
                        .join();
            } catch (CompletionException e) {
                System.err.println("The process " + process.pid() + " does not end.");
            }
        }
    }
}
