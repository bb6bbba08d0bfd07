package io.forrest.vm.qemu;

import io.forrest.spi.VmSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Says in QEMU's words what a VM is. Pure.
 *
 * <p>Guests match on the PCI slots that follow from the order of the devices: the reference's order is kept. Files in the
 * run directory are named relative to it, since the path of a Unix socket may have no more than 107 bytes.
 */
final class QemuCommandLine {
    /** Where QEMU takes commands, in the run directory. */
    static final String QMP_SOCKET = "qmp.sock";

    /** Where QEMU leaves its process id, in the run directory. */
    static final String PID_FILE = "qemu.pid";

    /** Of the PCI bus; the one after it is the chipset's. What has to keep out of the others' way is put at this end. */
    private static final int LAST_FREE_SLOT = 30;

    private QemuCommandLine() {}

    /** The arguments for a VM whose process starts in its run directory. */
    static List<String> of(QemuSettings settings, VmSpec spec) {
        List<String> line = new ArrayList<>(base(settings));
        add(line, "-name", spec.machine().runnerName());
        add(line, "-pidfile", PID_FILE);
        add(line, "-qmp", "unix:" + QMP_SOCKET + ",server=on,wait=off");
        // QEMU exits with 0 for a kill as well as for the guest's power-off. With this it stays, paused, after the
        // latter, until it is seen and told to quit; after a kill it ends as ever.
        add(line, "-action", "shutdown=pause");
        add(line, "-smp", Integer.toString(spec.cpus()));
        add(line, "-m", Long.toString(spec.ram().toMebibytes()));
        add(line, "-netdev", "user,id=net0,ipv4=on,ipv6=on,ipv6-net=::/0");
        add(line, "-device", "virtio-net-pci,netdev=net0");
        add(line, "-object", "rng-random,id=rng0,filename=/dev/urandom");
        add(line, "-device", "virtio-rng-pci,rng=rng0");
        add(line, "-device", "VGA,vgamem_mb=4");
        add(line, "-chardev", "file,id=log,append=on,path=" + path(spec, spec.serialLog()));
        add(line, "-device", "isa-serial,chardev=log");
        spec.shellSocket().ifPresent(socket -> {
            add(line, "-chardev", "socket,id=shell,server=on,wait=off,path=" + path(spec, socket));
            add(line, "-device", "isa-serial,chardev=shell");
        });
        for (Path disk : spec.disks()) {
            add(
                    line,
                    "-drive",
                    "if=virtio,format=raw,discard=unmap,cache.writeback=on,cache.direct=on,cache.no-flush=on,file="
                            + path(spec, disk));
        }
        addSharedDirectories(line, spec);
        addNetworkInterfaces(line, spec);
        addTpm(line, spec);
        addReadOnlyDisks(line, spec);
        return line;
    }

    private static void addSharedDirectories(List<String> line, VmSpec spec) {
        int number = 0;
        for (VmSpec.SharedDirectory shared : spec.sharedDirectories()) {
            // With an id of its own the tag may be any: QEMU's ids are not.
            add(
                    line,
                    "-virtfs",
                    "local,id=share-" + number + ",security_model=none,mount_tag=" + escaped(shared.tag())
                            + ",readonly=" + (shared.writable() ? "off" : "on") + ",path="
                            + escaped(shared.path().toString()));
            number++;
        }
    }

    private static void addNetworkInterfaces(List<String> line, VmSpec spec) {
        int number = 0;
        for (VmSpec.NetworkInterface nic : spec.networkInterfaces()) {
            String id = "nic-" + number;
            add(
                    line,
                    "-netdev",
                    "vde,id=" + id + ",sock=" + escaped(nic.vdeSwitch().toString()));
            add(line, "-device", "virtio-net-pci,netdev=" + id + ",mac=" + nic.mac());
            number++;
        }
    }

    private static void addTpm(List<String> line, VmSpec spec) {
        if (spec.tpmState().isPresent()) {
            add(line, "-chardev", "socket,id=chrtpm,path=" + Swtpm.SOCKET);
            add(line, "-tpmdev", "emulator,id=tpm0,chardev=chrtpm");
            add(line, "-device", "tpm-tis,tpmdev=tpm0");
        }
    }

    private static void addReadOnlyDisks(List<String> line, VmSpec spec) {
        int slot = LAST_FREE_SLOT + 1 - spec.readOnlyDisks().size();
        for (VmSpec.ReadOnlyDisk disk : spec.readOnlyDisks()) {
            String id = "readonly-" + slot;
            // Through the host's cache, which all that read the file share.
            add(line, "-drive", "if=none,id=" + id + ",format=raw,readonly=on,file=" + path(spec, disk.file()));
            add(
                    line,
                    "-device",
                    "virtio-blk-pci,drive=" + id + ",serial=" + disk.name() + ",addr=0x" + Integer.toHexString(slot));
            slot++;
        }
    }

    /** The machine that all VMs are, and that the probe tries. */
    static List<String> base(QemuSettings settings) {
        List<String> line = new ArrayList<>();
        add(line, "-nodefaults", "-nographic");
        // Without KVM, system management mode only costs time.
        String smm = settings.accelerator() == QemuSettings.Accelerator.KVM ? "on" : "off";
        add(line, "-M", "type=q35,accel=" + settings.accelerator().qemuName() + ",smm=" + smm);
        add(line, "-cpu", "max");
        add(line, "-global", "ICH9-LPC.disable_s3=1");
        return line;
    }

    private static String path(VmSpec spec, Path file) {
        return escaped(shortest(spec, file));
    }

    /** A comma would begin the next option. */
    private static String escaped(String value) {
        return value.replace(",", ",,");
    }

    /** As the process knows the file. */
    static String shortest(VmSpec spec, Path file) {
        return (spec.runDirectory().equals(file.getParent()) ? file.getFileName() : file).toString();
    }

    private static void add(List<String> line, String... arguments) {
        line.addAll(List.of(arguments));
    }
}
