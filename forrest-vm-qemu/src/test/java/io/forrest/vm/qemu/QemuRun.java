package io.forrest.vm.qemu;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** A run directory with a guest whose end a test decides on. */
final class QemuRun implements AutoCloseable {
    /** Says K on the first serial port. */
    private static final int[] SAY_K = {0xBA, 0xF8, 0x03, 0xB0, 'K', 0xEE};

    /** Waits for a byte on the second serial port (in 0x2fd; test 1; jz), then powers off. */
    static final int[] POWER_OFF_WHEN_TOLD = {
        0xBA, 0xFD, 0x02, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xF4, 0xEB, 0xFD
    };

    /** Powers off at once. */
    static final int[] POWER_OFF = {0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xF4, 0xEB, 0xFD};

    /**
     * Waits for a byte on the second serial port, writes a sector of itself each to cylinders 1 to 7 of its disk (int 13h),
     * and powers off.
     */
    static final int[] WRITE_WHEN_TOLD = {
        0xBA, 0xFD, 0x02, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0x31, 0xC0, 0x8E, 0xC0, 0xB9, 0x01,
        0x01, // cx: cylinder 1, sector 1
        0xB8, 0x01, 0x03, 0xBB, 0x00, 0x7C, 0xBA, 0x80, 0x00, 0xCD, 0x13, // write one sector of 0000:7c00
        0xFE, 0xC5, 0x80, 0xFD, 0x08, 0x75, 0xEE, // the next cylinder
        0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xF4, 0xEB, 0xFD
    };

    /**
     * Says the bytes 698 to 700 of its second disk, the last one added to '0', reading two sectors (int 13h extensions);
     * then R if it cannot write them back, else W; powers off. Without interrupts, in which the BIOS says the rest of its own.
     */
    static final int[] TRY_THE_SECOND_DISK = {
        0xFA,
        0x31,
        0xC0,
        0x8E,
        0xD8,
        0xBE,
        0x42,
        0x7C,
        0xB4,
        0x42,
        0xB2,
        0x81,
        0xCD,
        0x13,
        0x72,
        0x22, // read, or off
        0xBA,
        0xF8,
        0x03,
        0xBE,
        0xBA,
        0x82,
        0xAC,
        0xEE,
        0xAC,
        0xEE,
        0xAC,
        0x04,
        0x30,
        0xEE, // say three bytes
        0xBE,
        0x42,
        0x7C,
        0xB8,
        0x00,
        0x43,
        0xB2,
        0x81,
        0xCD,
        0x13, // write
        0xB0,
        0x52,
        0x72,
        0x02,
        0xB0,
        0x57,
        0xBA,
        0xF8,
        0x03,
        0xEE, // R or W
        0xBA,
        0x04,
        0x06,
        0xB8,
        0x00,
        0x20,
        0xEF,
        0xF4,
        0xEB,
        0xFD, // off
        0x10,
        0x00,
        0x02,
        0x00,
        0x00,
        0x80,
        0x00,
        0x00,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0 // two sectors at 0000:8000
    };

    /** Says the first four bytes of the configuration of each device's first function on the PCI bus; powers off. */
    static final int[] SAY_THE_PCI_BUS = {
        0xFA,
        0x31,
        0xC9, // slot 0
        0x66,
        0xB8,
        0x00,
        0x00,
        0x00,
        0x80,
        0x88,
        0xCC,
        0xC0,
        0xE4,
        0x03, // its address
        0xBA,
        0xF8,
        0x0C,
        0x66,
        0xEF,
        0xBA,
        0xFC,
        0x0C,
        0x66,
        0xED, // ports 0xcf8 and 0xcfc
        0xBA,
        0xF8,
        0x03,
        0xBB,
        0x04,
        0x00,
        0xEE,
        0x66,
        0xC1,
        0xE8,
        0x08,
        0x4B,
        0x75,
        0xF8, // say four bytes
        0x41,
        0x83,
        0xF9,
        0x20,
        0x75,
        0xD7, // up to slot 31
        0xBA,
        0x04,
        0x06,
        0xB8,
        0x00,
        0x20,
        0xEF,
        0xF4,
        0xEB,
        0xFD // off
    };

    /** Says the four bytes at 0xfed40f00, which a TPM is known by, or nothing but zeros (int 15h, 87h); powers off. */
    static final int[] SAY_THE_TPM = {
        0xFA,
        0x31,
        0xC0,
        0x8E,
        0xC0,
        0x8E,
        0xD8,
        0xBE,
        0x33,
        0x7C,
        0xB9,
        0x02,
        0x00,
        0xB4,
        0x87,
        0xCD,
        0x15, // copy
        0x66,
        0xA1,
        0x00,
        0x80,
        0xBA,
        0xF8,
        0x03,
        0xBB,
        0x04,
        0x00, // from 0000:8000
        0xEE,
        0x66,
        0xC1,
        0xE8,
        0x08,
        0x4B,
        0x75,
        0xF8, // say four bytes
        0xBA,
        0x04,
        0x06,
        0xB8,
        0x00,
        0x20,
        0xEF,
        0xF4,
        0xEB,
        0xFD, // off
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0, // two descriptors for the BIOS
        0xFF,
        0xFF,
        0x00,
        0x0F,
        0xD4,
        0x93,
        0x00,
        0xFE, // from 0xfed40f00
        0xFF,
        0xFF,
        0x00,
        0x80,
        0x00,
        0x93,
        0x00,
        0x00 // to 0x8000
    };

    /** Goes on saying K. */
    static final int[] SAY_MORE = {0xEE, 0xEB, 0xFD};

    private static final long PATIENCE_SECONDS = 60;

    final Path directory;
    private final List<QemuHypervisor> hypervisors = new ArrayList<>();

    /** With a guest that says K and then does this. */
    QemuRun(int... code) throws IOException {
        this(Files.createTempDirectory("qemu"), code);
    }

    /** As the other, on a file system of the caller's. */
    QemuRun(Path parent, int... code) throws IOException {
        directory = Files.createDirectory(
                parent.resolve(MachineId.random(TestConfigs.typeId("build")).runnerName()));
        byte[] disk = QemuProbe.bootDisk();
        for (int i = 0; i < SAY_K.length; i++) {
            disk[i] = (byte) SAY_K[i];
        }
        for (int i = 0; i < code.length; i++) {
            disk[SAY_K.length + i] = (byte) code[i];
        }
        Files.write(disk(), disk);
    }

    /** A hypervisor as the next process has it. */
    QemuHypervisor hypervisor() {
        QemuHypervisor hypervisor =
                new QemuHypervisor(QemuSettings.of(Map.of("accelerator", "tcg")), new SystemdScope());
        hypervisors.add(hypervisor);
        return hypervisor;
    }

    Path disk() {
        return directory.resolve("disk.img");
    }

    Path log() {
        return directory.resolve("log.txt");
    }

    /** What is started in a directory that has a machine's name. */
    static VmSpec spec(Path directory, Path disk, VmSpec.ReadOnlyDisk... readOnlyDisks) {
        return spec(directory, disk, List.of(readOnlyDisks), List.of(), List.of(), Optional.empty());
    }

    private static VmSpec spec(
            Path directory,
            Path disk,
            List<VmSpec.ReadOnlyDisk> readOnlyDisks,
            List<VmSpec.NetworkInterface> interfaces,
            List<VmSpec.SharedDirectory> shares,
            Optional<Path> tpmState) {
        return new VmSpec(
                new MachineId(
                        TestConfigs.typeId("build"), directory.getFileName().toString()),
                directory,
                1,
                DataSize.parse("64M"),
                List.of(disk),
                readOnlyDisks,
                directory.resolve("log.txt"),
                Optional.of(directory.resolve("shell.sock")),
                interfaces,
                shares,
                tpmState);
    }

    /** The VM with these devices, too. */
    VmSpec specWith(
            List<VmSpec.ReadOnlyDisk> readOnlyDisks,
            List<VmSpec.NetworkInterface> interfaces,
            List<VmSpec.SharedDirectory> shares,
            Optional<Path> tpmState) {
        return spec(directory, disk(), readOnlyDisks, interfaces, shares, tpmState);
    }

    /** The VM with a TPM, whose state is made. */
    VmSpec specWithTpm() throws IOException {
        Path state = directory.resolve("tpm.swtpm");
        writeTpmState(state);
        return specWith(List.of(), List.of(), List.of(), Optional.of(state));
    }

    /** A TPM's state as people make it: an empty file is one that was never used. */
    static void writeTpmState(Path file) throws IOException {
        Files.write(file, new byte[0]);
    }

    /** Starts the VM, and returns when its guest runs. Before that QEMU has no handlers, and any signal kills it. */
    Vm start(QemuHypervisor hypervisor) throws Exception {
        Vm vm = hypervisor.start(spec(directory, disk()));
        awaitGuest();
        return vm;
    }

    /** As {@link #start(QemuHypervisor)}; nobody watches it any more. */
    Vm startAndLetGo() throws Exception {
        QemuHypervisor hypervisor = hypervisor();
        Vm vm = start(hypervisor);
        hypervisor.close();
        return vm;
    }

    void awaitGuest() throws Exception {
        eventually(
                "the guest speaks",
                () -> Files.exists(log())
                        && Files.readString(log(), StandardCharsets.ISO_8859_1).contains("K"));
    }

    /** Has {@link #POWER_OFF_WHEN_TOLD} power off. */
    void tell() throws IOException {
        try (SocketChannel shell = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            shell.connect(UnixDomainSocketAddress.of(directory.resolve("shell.sock")));
            shell.write(ByteBuffer.wrap(new byte[] {'!'}));
        }
    }

    /** A client of QEMU's monitor of its own. */
    QmpClient monitor() throws Exception {
        QmpClient qmp = QmpClient.open();
        qmp.connect(directory);
        return qmp;
    }

    /** Waits for the guest's power-off, without telling anybody. */
    void awaitPowerOff() throws Exception {
        try (QmpClient qmp = monitor()) {
            while (!qmp.runState().equals("shutdown")) {
                qmp.awaitEvent();
            }
        }
    }

    /** Finds the VM as the next process does. */
    Vm find() throws PluginException {
        return hypervisor().find(directory).orElseThrow();
    }

    static VmExit await(Vm vm) throws Exception {
        return vm.exit().toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    static void signal(long process, String signal) throws Exception {
        // The shell's own: minimal hosts have no program for it.
        new ProcessBuilder("sh", "-c", "kill " + signal + " " + process).start().waitFor();
    }

    static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!condition.call()) {
            if (System.nanoTime() > deadlineNanos) {
                throw new AssertionError("not within " + PATIENCE_SECONDS + " s: " + what);
            }
            Thread.onSpinWait();
        }
    }

    /** Leaves nothing running. */
    @Override
    public void close() throws IOException {
        VmProcess.find(directory, "qemu-system-x86_64").ifPresent(VmProcess::kill);
        VmProcess.findTpm(directory, "swtpm").ifPresent(VmProcess::kill);
        hypervisors.forEach(QemuHypervisor::close);
    }
}
