package io.forrest.spi;

import io.forrest.domain.HostProblem;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Starts VMs and finds those that an earlier Forrest started. Thread-safe. */
public interface Hypervisor extends AutoCloseable {
    /**
     * What it can do beyond booting a VM from disks. A {@link VmSpec} that needs more is refused by {@link #start} with
     * {@link PluginException.Kind#REJECTED}, never started without.
     */
    Set<HypervisorCapability> capabilities();

    /** Everything that would keep VMs from starting on this host; empty if all is well. May block for seconds. */
    List<HostProblem> checkHost();

    /**
     * Everything that would keep VMs that need {@code capability} from starting on this host, while others do; empty if all is
     * well. May block for seconds.
     */
    default List<HostProblem> checkHostFor(HypervisorCapability capability) {
        return capabilities().contains(capability)
                ? List.of()
                : List.of(new HostProblem(
                        "host.hypervisor",
                        "cannot do " + capability + ".",
                        "Choose another hypervisor, or leave out what needs it."));
    }

    /**
     * Starts a VM and returns once its process runs, without waiting for the guest.
     *
     * <p>On failure nothing of it runs any more; the files in the run directory stay, the caller removes them.
     *
     * <p>With {@link HypervisorCapability#ADOPTION} nothing that happens to this process ends the VM: not its end, not a
     * signal to its session or process group, not a service manager that ends the service it is. The VM's output goes
     * to files, and always to their ends.
     *
     * @throws PluginException {@code REJECTED} if the VM needs a capability that is not there, {@code BROKEN} if the
     *     host cannot start it or another VM runs in its run directory, {@code RETRY_LATER} if it may work soon
     */
    Vm start(VmSpec spec) throws PluginException;

    /**
     * The VM that was started for this run directory, by whichever process. One that has ended meanwhile is found, too, with
     * its {@link Vm#exit} complete: {@link VmExit.Kind#CLEAN} only if the guest's own power-off is certain and all it wrote
     * is still there (the host may have crashed since), and {@link VmExit.Kind#FAILED} if nobody knows how it ended. Empty
     * if none was ever started there, or the files that the hypervisor keeps there are removed. Must never return a process
     * that merely looks like it. May block for seconds. A stop that an earlier process began is carried on, if need be with no
     * grace left.
     *
     * <p>A VM that an earlier process was about to {@linkplain Vm#stop stop} has no grace any more.
     *
     * <p>Needs {@link HypervisorCapability#ADOPTION}; without it, there are only VMs of this process to be found.
     */
    Optional<Vm> find(Path runDirectory) throws PluginException;

    /** Lets go of everything in this process. Running VMs are left as they are. A second call does nothing. */
    @Override
    void close();
}
