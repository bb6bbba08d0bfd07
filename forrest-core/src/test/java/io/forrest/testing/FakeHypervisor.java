package io.forrest.testing;

import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Runs {@link FakeGuest}s on threads in place of VMs. Thread-safe.
 *
 * <p>As VMs outlive the process that started them, so do these outlive {@link #close}: {@link #ofNextProcess} finds them,
 * and how those ended that ended meanwhile. One whose serial log was removed was never there.
 */
public final class FakeHypervisor implements Hypervisor {
    private final Host host;
    private final CallHooks<Call> hooks = new CallHooks<>(Call.class);
    private final Set<FakeVm> own = ConcurrentHashMap.newKeySet();
    private volatile FakeGuest guest;
    private volatile Set<HypervisorCapability> capabilities = EnumSet.allOf(HypervisorCapability.class);
    private volatile List<HostProblem> problems = List.of();
    private volatile boolean closed;

    /** What can be asked of it. */
    public enum Call {
        START,
        FIND
    }

    /** What all hypervisors of one host share. */
    private static final class Host {
        private final AtomicLong lastProcessId = new AtomicLong(1000);
        private final BlockingQueue<FakeVm> started = new LinkedBlockingQueue<>();

        // Guarded by this.
        private final Map<Path, FakeVm> vms = new HashMap<>();
        private final List<FakeVm> all = new ArrayList<>();

        synchronized void add(FakeVm vm) throws PluginException {
            if (find(vm.spec().runDirectory()).filter(FakeVm::isRunning).isPresent()) {
                throw new PluginException(
                        PluginException.Kind.BROKEN, "A VM runs in " + vm.spec().runDirectory() + " already.");
            }
            vms.put(vm.spec().runDirectory(), vm);
            all.add(vm);
            started.add(vm);
        }

        synchronized Optional<FakeVm> find(Path runDirectory) {
            return Optional.ofNullable(vms.get(runDirectory))
                    .filter(vm -> Files.exists(vm.spec().serialLog()));
        }

        synchronized List<FakeVm> running() {
            return all.stream().filter(FakeVm::isRunning).toList();
        }
    }

    /** On a host of its own, with guests that do as their disks say. */
    public FakeHypervisor() {
        this(FakeGuest.asTheDiskSays());
    }

    /** On a host of its own. */
    public FakeHypervisor(FakeGuest guest) {
        this(new Host(), guest);
    }

    private FakeHypervisor(Host host, FakeGuest guest) {
        this.host = host;
        this.guest = guest;
    }

    /** One on the same host, as the next Forrest has it. */
    public FakeHypervisor ofNextProcess() {
        return new FakeHypervisor(host, guest);
    }

    /** What VMs that are started from now on run. */
    public void guest(FakeGuest newGuest) {
        guest = newGuest;
    }

    /** What it can do from now on; it begins with everything. */
    public void capabilities(Set<HypervisorCapability> newCapabilities) {
        capabilities = Set.copyOf(newCapabilities);
    }

    /** What is wrong with the host from now on. */
    public void hostProblems(List<HostProblem> newProblems) {
        problems = List.copyOf(newProblems);
    }

    /** What comes before its calls. */
    public CallHooks<Call> hooks() {
        return hooks;
    }

    public boolean isClosed() {
        return closed;
    }

    /** All VMs of the host that run now, oldest first. */
    public List<FakeVm> running() {
        return host.running();
    }

    /** Waits for the next VM to be started, and gives each of the host's VMs once, in order. */
    public FakeVm nextVm(Duration patience) throws InterruptedException {
        return Optional.ofNullable(host.started.poll(patience.toMillis(), TimeUnit.MILLISECONDS))
                .orElseThrow(() -> new AssertionError("No VM was started within " + patience));
    }

    @Override
    public Set<HypervisorCapability> capabilities() {
        return capabilities;
    }

    @Override
    public List<HostProblem> checkHost() {
        return problems;
    }

    @Override
    public Vm start(VmSpec spec) throws PluginException {
        hooks.enter(Call.START);
        if (closed) {
            throw new IllegalStateException("The hypervisor is closed.");
        }
        EnumSet<HypervisorCapability> missing = EnumSet.noneOf(HypervisorCapability.class);
        missing.addAll(spec.neededCapabilities());
        missing.removeAll(capabilities);
        if (!missing.isEmpty()) {
            throw new PluginException(
                    PluginException.Kind.REJECTED, "The fake hypervisor is told to lack " + missing + ".");
        }
        for (Path disk : spec.disks()) {
            if (!Files.isRegularFile(disk)) {
                throw new PluginException(PluginException.Kind.BROKEN, "There is no disk " + disk + ".");
            }
        }
        try {
            touch(spec.serialLog());
            if (spec.shellSocket().isPresent()) {
                touch(spec.shellSocket().get());
            }
        } catch (IOException e) {
            throw new PluginException(PluginException.Kind.BROKEN, "The run directory cannot be written: " + e, e);
        }
        FakeVm vm = new FakeVm(spec, host.lastProcessId.incrementAndGet(), guest);
        host.add(vm);
        own.add(vm);
        vm.boot();
        return vm;
    }

    private static void touch(Path file) throws IOException {
        Files.write(file, new byte[0], StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    @Override
    public Optional<Vm> find(Path runDirectory) throws PluginException {
        hooks.enter(Call.FIND);
        boolean adopts = capabilities.contains(HypervisorCapability.ADOPTION);
        return host.find(runDirectory).filter(vm -> adopts || own.contains(vm)).map(vm -> vm);
    }

    @Override
    public void close() {
        closed = true;
    }
}
