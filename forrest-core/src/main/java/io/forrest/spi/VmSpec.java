package io.forrest.spi;

import io.forrest.domain.DataSize;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A VM to be started. All paths are absolute.
 *
 * @param runDirectory belongs to this VM alone; the hypervisor keeps its own files here, and {@link Hypervisor#find}
 *     knows the VM by it. What ends in {@code .log} is taken for a log like {@code serialLog}
 * @param disks raw images the guest may write, in the order in which the guest sees them
 * @param serialLog takes what the guest prints on its first serial port: always at the file's end, wherever that is by
 *     then, so that others can cut the file short while the guest prints
 * @param shellSocket Unix socket for the second serial port
 * @param tpmState TPM state, a private copy for this VM
 */
public record VmSpec(
        MachineId machine,
        Path runDirectory,
        int cpus,
        DataSize ram,
        List<Path> disks,
        Path serialLog,
        Optional<Path> shellSocket,
        List<NetworkInterface> networkInterfaces,
        List<SharedDirectory> sharedDirectories,
        Optional<Path> tpmState) {
    public VmSpec {
        Objects.requireNonNull(machine);
        Objects.requireNonNull(runDirectory);
        Objects.requireNonNull(ram);
        Objects.requireNonNull(serialLog);
        Objects.requireNonNull(shellSocket);
        Objects.requireNonNull(tpmState);
        disks = List.copyOf(disks);
        networkInterfaces = List.copyOf(networkInterfaces);
        sharedDirectories = List.copyOf(sharedDirectories);
        if (cpus < 1) {
            throw new IllegalArgumentException("a VM needs a CPU");
        }
        if (disks.isEmpty()) {
            throw new IllegalArgumentException("a VM needs a disk");
        }
    }

    /** What a hypervisor must be able to do to start this. */
    public Set<HypervisorCapability> neededCapabilities() {
        EnumSet<HypervisorCapability> needed = EnumSet.noneOf(HypervisorCapability.class);
        if (shellSocket.isPresent()) {
            needed.add(HypervisorCapability.SHELL_SOCKET);
        }
        if (!networkInterfaces.isEmpty()) {
            needed.add(HypervisorCapability.EXTRA_NETWORK_INTERFACES);
        }
        if (!sharedDirectories.isEmpty()) {
            needed.add(HypervisorCapability.SHARED_DIRECTORIES);
        }
        if (tpmState.isPresent()) {
            needed.add(HypervisorCapability.TPM);
        }
        return needed;
    }

    /** An extra network interface on a VDE switch. */
    public record NetworkInterface(Path vdeSwitch, MacAddress mac) {}

    /** A directory of the host that the guest mounts by its tag. */
    public record SharedDirectory(Path path, String tag, boolean writable) {}
}
