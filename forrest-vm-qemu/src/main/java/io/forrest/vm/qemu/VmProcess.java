package io.forrest.vm.qemu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A process of a VM: its QEMU, or the TPM beside it; it need not be a child of this one. Thread-safe. */
final class VmProcess {
    private static final Logger LOG = LoggerFactory.getLogger(VmProcess.class);
    private static final Path PROC = Path.of("/proc");

    /** What such a process is for a moment, before it becomes what it is to be. */
    private static final Set<String> LAUNCHERS = Set.of("setsid", "systemd-run", "env");

    /** How soon the end of a process that is no child is noticed. */
    private static final Duration LOOK_AGAIN = Duration.ofMillis(20);

    private static final Duration LONGEST_EXEC = Duration.ofSeconds(2);

    private final ProcessHandle handle;
    private final Optional<Process> child;
    private final CompletableFuture<ProcessHandle> end;

    private VmProcess(ProcessHandle handle, Optional<Process> child) {
        this.handle = handle;
        this.child = child;
        this.end = handle.onExit();
    }

    static VmProcess ofChild(Process child) {
        return new VmProcess(child.toHandle(), Optional.of(child));
    }

    /**
     * The process of the VM that was started for {@code runDirectory}: it works in this very directory, whatever that is
     * called by now, and is a QEMU by the directory's name.
     *
     * <p>The pid file only saves a look at all processes. QEMU writes it late, its number may be another's by now, and a
     * process keeps its working directory for as long as it lives.
     *
     * @param binary what {@code host.qemu.binary} says
     * @throws IOException if it cannot be told
     */
    static Optional<VmProcess> find(Path runDirectory, String binary) throws IOException {
        List<String> name = List.of("-name", fileName(runDirectory));
        return find(
                runDirectory,
                notedIn(runDirectory.resolve(QemuCommandLine.PID_FILE)),
                new Looks("qemu", binary, arguments -> Collections.indexOfSubList(arguments, name) >= 0));
    }

    /**
     * The TPM of the VM that was started for {@code runDirectory}, found like the VM itself.
     *
     * @param binary what {@code host.qemu.swtpm} says
     * @throws IOException if it cannot be told
     */
    static Optional<VmProcess> findTpm(Path runDirectory, String binary) throws IOException {
        List<String> marks = List.of(Swtpm.CONTROL, Swtpm.log(fileName(runDirectory)));
        return find(
                runDirectory, Optional.empty(), new Looks("swtpm", binary, arguments -> arguments.containsAll(marks)));
    }

    /**
     * What a process is known by, beside its working directory.
     *
     * @param program part of its program's name, whatever {@code binary} is a wrapper of
     */
    private record Looks(String program, String binary, Predicate<List<String>> arguments) {}

    private static Optional<VmProcess> find(Path runDirectory, Optional<ProcessHandle> noted, Looks looks)
            throws IOException {
        Object directory = fileKey(runDirectory);
        try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
            Iterator<ProcessHandle> candidates =
                    Stream.concat(noted.stream(), all).iterator();
            while (candidates.hasNext()) {
                ProcessHandle candidate = candidates.next();
                // The handle knows its process by its start, too, and was there before this look: no recycled id
                // passes.
                if (isIt(candidate, directory, looks) && candidate.isAlive()) {
                    return Optional.of(new VmProcess(candidate, Optional.empty()));
                }
            }
        }
        return Optional.empty();
    }

    private static Optional<ProcessHandle> notedIn(Path pidFile) throws IOException {
        try {
            return ProcessHandle.of(Long.parseLong(Files.readString(pidFile).strip()));
        } catch (NoSuchFileException | NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static boolean isIt(ProcessHandle process, Object directory, Looks looks) throws IOException {
        Path proc = PROC.resolve(Long.toString(process.pid()));
        try {
            if (!directory.equals(fileKey(proc.resolve("cwd")))) {
                return false;
            }
            List<String> arguments = List.of(commandLine(proc).split("\0", -1));
            if (!looks.arguments().test(arguments)) {
                return false;
            }
            String program = fileName(Files.readSymbolicLink(proc.resolve("exe")));
            return program.contains(looks.program())
                    || program.equals(fileName(Path.of(looks.binary())))
                    || LAUNCHERS.contains(fileName(Path.of(arguments.get(0))));
        } catch (NoSuchFileException e) {
            // It is ending, or has ended.
            return false;
        } catch (AccessDeniedException e) {
            // Somebody else's, which Forrest, unless it changed its user, cannot have started.
            LOG.trace("{} cannot be looked at", process, e);
            return false;
        } catch (IOException e) {
            if (process.isAlive()) {
                throw e;
            }
            return false;
        }
    }

    /** A process that is just becoming another program has none for a moment, and a VM that is overlooked loses its disk. */
    private static String commandLine(Path proc) throws IOException {
        long deadlineNanos = System.nanoTime() + LONGEST_EXEC.toNanos();
        String line = Files.readString(proc.resolve("cmdline"));
        while (line.isEmpty() && System.nanoTime() < deadlineNanos) {
            LockSupport.parkNanos(LOOK_AGAIN.toNanos());
            line = Files.readString(proc.resolve("cmdline"));
        }
        return line;
    }

    /** Device and inode: a directory that was deleted and made anew is another one, under whatever name. */
    static Object fileKey(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    private static String fileName(Path path) {
        return Optional.ofNullable(path.getFileName()).map(Path::toString).orElse("");
    }

    /**
     * Whether nothing is left of it but its exit code, which its parent may never ask for. As long as one of its threads
     * is stuck in the kernel, it may still write.
     */
    private static boolean isZombie(ProcessHandle process) {
        Path proc = PROC.resolve(Long.toString(process.pid()));
        try (Stream<Path> threads = Files.list(proc.resolve("task"))) {
            String stat = Files.readString(proc.resolve("stat"));
            // The name before may contain anything.
            return stat.startsWith(" Z", stat.lastIndexOf(')') + 1) && threads.count() == 1;
        } catch (IOException | UncheckedIOException e) {
            LOG.trace("{} has ended meanwhile", process, e);
            return false;
        }
    }

    long id() {
        return handle.pid();
    }

    boolean hasEnded() {
        // Of a process that is no child, the future tells seconds late; of a zombie, never.
        return end.isDone() || (child.isEmpty() && (!handle.isAlive() || isZombie(handle)));
    }

    /** Waits for its end, but no longer than this; returns whether it has ended. */
    boolean awaitEnd(Duration atMost) throws InterruptedException {
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (!hasEnded()) {
            long leftNanos = deadlineNanos - System.nanoTime();
            if (leftNanos <= 0) {
                return false;
            }
            try {
                end.get(Math.min(leftNanos, LOOK_AGAIN.toNanos()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                // Looks again.
            } catch (ExecutionException e) {
                throw new IllegalStateException("the end of process " + id() + " cannot be awaited", e);
            }
        }
        return true;
    }

    /** Completes with its end, on any thread; seconds late if it was no child of this process. */
    CompletableFuture<ProcessHandle> onEnd() {
        return end;
    }

    /** Its exit code, if it has ended and was a child of this process. */
    OptionalInt exitCode() {
        return child.filter(process -> !process.isAlive()).stream()
                .mapToInt(Process::exitValue)
                .findAny();
    }

    /** Ends it the hard way. The handle knows its process by its start, too: a recycled id is never hit. */
    void kill() {
        if (!handle.destroyForcibly() && handle.isAlive() && !isZombie(handle)) {
            LOG.warn("The process {} of a VM could not be killed.", id());
        }
    }
}
