package io.forrest.vm.qemu;

import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmSpec;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** Runs each VM as a QEMU process in a session of its own, with its run directory as working directory. */
final class QemuHypervisor implements Hypervisor {
    /** What QEMU itself says, in the run directory. */
    static final String OUTPUT = "qemu.log";

    private static final Duration LONGEST_PROBE = Duration.ofSeconds(5);
    private static final Set<HypervisorCapability> CAPABILITIES =
            EnumSet.of(HypervisorCapability.SHELL_SOCKET, HypervisorCapability.ADOPTION);

    private final QemuSettings settings;
    private final Set<QemuVm> watched = ConcurrentHashMap.newKeySet();

    QemuHypervisor(QemuSettings settings) {
        this.settings = settings;
    }

    @Override
    public Set<HypervisorCapability> capabilities() {
        return EnumSet.copyOf(CAPABILITIES);
    }

    @Override
    public List<HostProblem> checkHost() {
        return new QemuProbe(settings, LONGEST_PROBE).check().stream().toList();
    }

    @Override
    public Vm start(VmSpec spec) throws PluginException {
        EnumSet<HypervisorCapability> missing = EnumSet.noneOf(HypervisorCapability.class);
        missing.addAll(spec.neededCapabilities());
        missing.removeAll(CAPABILITIES);
        if (!missing.isEmpty()) {
            throw new PluginException(
                    PluginException.Kind.REJECTED,
                    spec.machine().type() + " needs " + missing + ", which the hypervisor qemu cannot do.");
        }
        List<String> line = new ArrayList<>();
        // Its own session: a Ctrl-C in the daemon's terminal, or the end of the daemon, is not meant for guests.
        line.add("setsid");
        line.add(settings.binary());
        line.addAll(QemuCommandLine.of(settings, spec));
        Process process;
        try {
            process = new ProcessBuilder(line)
                    .directory(spec.runDirectory().toFile())
                    .redirectInput(new File("/dev/null"))
                    .redirectErrorStream(true)
                    .redirectOutput(spec.runDirectory().resolve(OUTPUT).toFile())
                    .start();
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "QEMU cannot be started: " + e.getMessage() + ".", e);
        }
        return watch(
                spec.machine().runnerName(),
                spec.runDirectory(),
                process.toHandle(),
                process.onExit().thenApply(Process::exitValue));
    }

    @Override
    public Optional<Vm> find(Path runDirectory) throws PluginException {
        Path pidFile = runDirectory.resolve(QemuCommandLine.PID_FILE);
        try {
            if (!Files.exists(pidFile)) {
                return Optional.empty();
            }
            Optional<ProcessHandle> process =
                    ProcessHandle.of(Long.parseLong(Files.readString(pidFile).strip()));
            if (process.isEmpty() || !livesIn(process.get(), runDirectory)) {
                return Optional.empty();
            }
            return Optional.of(watch(
                    runDirectory.getFileName().toString(),
                    runDirectory,
                    process.get(),
                    process.get().onExit().thenApply(gone -> -1)));
        } catch (NumberFormatException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "whether a VM runs in " + runDirectory + " cannot be told: " + e, e);
        }
    }

    /** Process ids are used again, so it must also be a QEMU that works in this very directory under its name. */
    private static boolean livesIn(ProcessHandle process, Path runDirectory) throws IOException {
        Path proc = Path.of("/proc", Long.toString(process.pid()));
        try {
            Path workingDirectory = Files.readSymbolicLink(proc.resolve("cwd"));
            List<String> arguments =
                    List.of(Files.readString(proc.resolve("cmdline")).split("\0", -1));
            int name = arguments.indexOf("-name");
            return workingDirectory.equals(runDirectory.toRealPath())
                    && name >= 0
                    && name + 1 < arguments.size()
                    && arguments.get(name + 1).equals(runDirectory.getFileName().toString())
                    && process.isAlive();
        } catch (IOException e) {
            if (process.isAlive()) {
                throw e;
            }
            return false;
        }
    }

    private QemuVm watch(
            String name, Path runDirectory, ProcessHandle process, CompletableFuture<Integer> processExit) {
        QemuVm vm = new QemuVm(name, runDirectory, process, processExit);
        watched.add(vm);
        vm.exit().whenComplete((exit, bug) -> watched.remove(vm));
        vm.watch();
        return vm;
    }

    @Override
    public void close() {
        watched.forEach(QemuVm::letGo);
    }
}
