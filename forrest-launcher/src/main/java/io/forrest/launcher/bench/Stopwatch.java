package io.forrest.launcher.bench;

import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.Vm;
import io.forrest.spi.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeoutException;

/** Notes when a VM's program begins to run, and how long the registration of its runner took. Thread-safe. */
final class Stopwatch {
    private OptionalLong execNanos = OptionalLong.empty();
    private long registrationNanos;

    /** Forgets the last round. */
    synchronized void reset() {
        execNanos = OptionalLong.empty();
        registrationNanos = 0;
    }

    /** The time of the exec, by {@link System#nanoTime}. */
    synchronized long awaitExec(Duration atMost) throws InterruptedException, TimeoutException {
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (execNanos.isEmpty()) {
            long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0) {
                throw new TimeoutException("no VM was started within " + atMost.toSeconds() + " s");
            }
            wait(leftMillis);
        }
        return execNanos.getAsLong();
    }

    synchronized long registrationNanos() {
        return registrationNanos;
    }

    private synchronized void started(long atNanos) {
        execNanos = OptionalLong.of(atNanos);
        notifyAll();
    }

    private synchronized void registered(long takenNanos) {
        registrationNanos = takenNanos;
    }

    RunnerBroker watch(RunnerBroker broker) {
        return new WatchedBroker(broker);
    }

    Hypervisor watch(Hypervisor hypervisor) {
        return new WatchedHypervisor(hypervisor);
    }

    private final class WatchedBroker implements RunnerBroker {
        private final RunnerBroker broker;

        WatchedBroker(RunnerBroker broker) {
            this.broker = broker;
        }

        @Override
        public RunnerRegistration register(MachineId machine) throws PluginException {
            long before = System.nanoTime();
            RunnerRegistration registration = broker.register(machine);
            registered(System.nanoTime() - before);
            return registration;
        }

        @Override
        public Removal remove(RepositoryId repository, long runnerId) throws PluginException {
            return broker.remove(repository, runnerId);
        }

        @Override
        public List<RunnerSighting> list(RepositoryId repository) throws PluginException {
            return broker.list(repository);
        }
    }

    private final class WatchedHypervisor implements Hypervisor {
        private final Hypervisor hypervisor;

        WatchedHypervisor(Hypervisor hypervisor) {
            this.hypervisor = hypervisor;
        }

        @Override
        public Vm start(VmSpec spec) throws PluginException {
            Vm vm = hypervisor.start(spec);
            vm.processId().ifPresent(Stopwatch::awaitQemu);
            started(System.nanoTime());
            return vm;
        }

        @Override
        public Set<HypervisorCapability> capabilities() {
            return hypervisor.capabilities();
        }

        @Override
        public List<HostProblem> checkHost() {
            return hypervisor.checkHost();
        }

        @Override
        public List<HostProblem> checkHostFor(HypervisorCapability capability) {
            return hypervisor.checkHostFor(capability);
        }

        @Override
        public Optional<Vm> find(Path runDirectory) throws PluginException {
            return hypervisor.find(runDirectory);
        }

        @Override
        public void close() {
            hypervisor.close();
        }
    }

    /** A started process is another program first; the kernel tells when it is QEMU. */
    private static void awaitQemu(long processId) {
        Path program = Path.of("/proc", Long.toString(processId), "exe");
        try {
            while (!Files.readSymbolicLink(program).toString().contains("qemu")) {
                Thread.onSpinWait();
            }
        } catch (IOException e) {
            // It has ended already; the round fails for that elsewhere.
        }
    }
}
