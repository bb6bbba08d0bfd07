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
import java.util.regex.Pattern;

/**
 * A VM to be started. All paths are absolute.
 *
 * @param runDirectory belongs to this VM alone; the hypervisor keeps its own files here, and {@link Hypervisor#find}
 *     knows the VM by it. What ends in {@code .log} is taken for a log like {@code serialLog}
 * @param disks raw images the guest may write, in the order in which the guest sees them
 * @param readOnlyDisks what the guest sees after {@code disks} and can only read
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
        List<ReadOnlyDisk> readOnlyDisks,
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
        readOnlyDisks = List.copyOf(readOnlyDisks);
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
        if (!readOnlyDisks.isEmpty()) {
            needed.add(HypervisorCapability.READ_ONLY_DISKS);
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

    /**
     * A disk that the guest can only read; several VMs may have the same file at a time.
     *
     * @param name the guest knows it by this: a Linux guest with udev as {@code /dev/disk/by-id/virtio-<name>}. At most 20
     *     letters, digits and hyphens, as a virtio block device's serial number has no more
     * @param file any file; its length is rounded up to whole sectors
     */
    public record ReadOnlyDisk(String name, Path file) {
        private static final Pattern NAME = Pattern.compile("[A-Za-z0-9-]{1,20}");

        public ReadOnlyDisk {
            Objects.requireNonNull(file);
            if (!NAME.matcher(name).matches()) {
                throw new IllegalArgumentException("no name for a disk: " + name);
            }
        }
    }

    /** An extra network interface on a VDE switch. */
    public record NetworkInterface(Path vdeSwitch, MacAddress mac) {}

    /** A directory of the host that the guest mounts by its tag. */
    public record SharedDirectory(Path path, String tag, boolean writable) {}
}
