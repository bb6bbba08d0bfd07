package io.forrest.vm.qemu;

import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs each VM as a QEMU process in a session of its own, with its run directory as working directory. */
final class QemuHypervisor implements Hypervisor {
    private static final Logger LOG = LoggerFactory.getLogger(QemuHypervisor.class);

    /** What QEMU itself says, in the run directory. */
    static final String OUTPUT = "qemu.log";

    private static final Duration LONGEST_PROBE = Duration.ofSeconds(5);

    /** swtpm answers within some 20 ms. */
    private static final Duration LONGEST_TPM_START = Duration.ofSeconds(20);

    /** How long {@link #find} waits for the monitor of a QEMU that runs, to know of a power-off before it returns. */
    private static final Duration LONGEST_FIRST_LOOK = Duration.ofSeconds(2);

    private final QemuSettings settings;
    private final SystemdScope scope;

    /** By device and inode of their run directories. */
    private final Map<Object, QemuVm> watched = new ConcurrentHashMap<>();

    QemuHypervisor(QemuSettings settings, SystemdScope scope) {
        this.settings = settings;
        this.scope = scope;
    }

    @Override
    public Set<HypervisorCapability> capabilities() {
        return EnumSet.allOf(HypervisorCapability.class);
    }

    @Override
    public List<HostProblem> checkHost() {
        return new QemuProbe(settings, LONGEST_PROBE).check().stream().toList();
    }

    @Override
    public List<HostProblem> checkHostFor(HypervisorCapability capability) {
        return new QemuProbe(settings, LONGEST_PROBE)
                .checkFor(capability).stream().toList();
    }

    @Override
    public Vm start(VmSpec spec) throws PluginException {
        Path runDirectory = spec.runDirectory();
        VmRecord record = new VmRecord(
                spec.disks().stream()
                        .map(disk -> QemuCommandLine.shortest(spec, disk))
                        .toList(),
                spec.tpmState().isPresent(),
                false,
                Optional.empty());
        List<String> line = new ArrayList<>(scope.launcher(spec.machine().runnerName()));
        // Its own session: a Ctrl-C in the daemon's terminal, or the end of the daemon, is not meant for guests.
        line.add("setsid");
        line.add(settings.binary());
        line.addAll(QemuCommandLine.of(settings, spec));
        try {
            clear(runDirectory);
            record.write(runDirectory);
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "no VM can be started in " + runDirectory + ": " + e, e);
        }
        Optional<VmProcess> tpm = Optional.empty();
        boolean started = false;
        try {
            if (spec.tpmState().isPresent()) {
                tpm = Optional.of(
                        Swtpm.start(settings, scope, spec, spec.tpmState().get(), LONGEST_TPM_START));
            }
            // The log is opened for appending, so that it can be cut short while QEMU writes.
            Process process = new ProcessBuilder(line)
                    .directory(runDirectory.toFile())
                    .redirectInput(new File("/dev/null"))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(
                            runDirectory.resolve(OUTPUT).toFile()))
                    .start();
            started = true;
            return watch(runDirectory, VmProcess.ofChild(process), tpm, record);
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "QEMU cannot be started: " + e.getMessage() + ".", e);
        } finally {
            if (!started) {
                tpm.ifPresent(process -> Swtpm.end(runDirectory, process));
                forget(runDirectory);
            }
        }
    }

    /** Removes what a VM that ended left of the hypervisor's own. */
    private void clear(Path runDirectory) throws IOException, PluginException {
        if (VmRecord.read(runDirectory).isEmpty()) {
            return;
        }
        if (watched.containsKey(VmProcess.fileKey(runDirectory))
                || VmProcess.find(runDirectory, settings.binary()).isPresent()) {
            throw new PluginException(PluginException.Kind.BROKEN, "a VM runs in " + runDirectory + " already.");
        }
        Swtpm.endLeftOver(runDirectory, settings.swtpm());
        for (String file : List.of(VmRecord.FILE, QemuCommandLine.PID_FILE, QemuCommandLine.QMP_SOCKET, Swtpm.SOCKET)) {
            Files.deleteIfExists(runDirectory.resolve(file));
        }
    }

    private static void forget(Path runDirectory) {
        try {
            Files.deleteIfExists(runDirectory.resolve(VmRecord.FILE));
        } catch (IOException e) {
            LOG.warn("A VM that never ran will be taken for one that failed: {}", e.toString());
        }
    }

    @Override
    public Optional<Vm> find(Path runDirectory) throws PluginException {
        // A link in place of the directory is not what Forrest made.
        if (!Files.isDirectory(runDirectory, LinkOption.NOFOLLOW_LINKS)) {
            return Optional.empty();
        }
        try {
            QemuVm own = watched.get(VmProcess.fileKey(runDirectory));
            if (own != null) {
                return Optional.of(own);
            }
            // In this order: while the process stands, the record may still change.
            Optional<VmProcess> process = VmProcess.find(runDirectory, settings.binary());
            Optional<VmRecord> record = VmRecord.read(runDirectory);
            if (process.isEmpty()) {
                Swtpm.endLeftOver(runDirectory, settings.swtpm());
                return record.map(noted -> new EndedVm(noted.exit()
                        .orElseGet(() -> new VmExit(
                                VmExit.Kind.FAILED,
                                "QEMU ended while no Forrest ran" + LastWords.of(runDirectory.resolve(OUTPUT))))));
            }
            VmRecord known = record.orElseGet(() -> new VmRecord(List.of(), false, false, Optional.empty()));
            QemuVm vm = watch(runDirectory, process.get(), VmProcess.findTpm(runDirectory, settings.swtpm()), known);
            vm.awaitFirstLook(LONGEST_FIRST_LOOK);
            return Optional.of(vm);
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "whether a VM runs in " + runDirectory + " cannot be told: " + e, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PluginException(PluginException.Kind.RETRY_LATER, "interrupted while a VM was looked for", e);
        }
    }

    private QemuVm watch(Path runDirectory, VmProcess process, Optional<VmProcess> tpm, VmRecord record)
            throws IOException {
        Object key = VmProcess.fileKey(runDirectory);
        // Before its end is told, so that whoever hears of that finds the run directory free.
        QemuVm vm = new QemuVm(runDirectory, process, tpm, record, gone -> watched.remove(key, gone));
        QemuVm earlier = watched.putIfAbsent(key, vm);
        if (earlier != null) {
            return earlier;
        }
        vm.watch();
        return vm;
    }

    @Override
    public void close() {
        watched.values().forEach(QemuVm::letGo);
    }
}
