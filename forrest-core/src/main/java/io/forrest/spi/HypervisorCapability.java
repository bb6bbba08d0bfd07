package io.forrest.spi;

/** What a {@link VmSpec} may ask for that not every hypervisor has. */
public enum HypervisorCapability {
    /** {@link VmSpec#shellSocket}: a second serial port on a Unix socket. */
    SHELL_SOCKET,
    /** {@link VmSpec#readOnlyDisks}. */
    READ_ONLY_DISKS,
    /** {@link VmSpec#networkInterfaces}. */
    EXTRA_NETWORK_INTERFACES,
    /** {@link VmSpec#sharedDirectories}. */
    SHARED_DIRECTORIES,
    /** {@link VmSpec#tpmState}. */
    TPM,
    /** VMs outlive the process that started them, and {@link Hypervisor#find} finds them. */
    ADOPTION
}
