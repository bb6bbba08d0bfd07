package io.forrest.vm.qemu;

import io.forrest.domain.HostProblem;
import io.forrest.spi.HypervisorCapability;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Finds out whether guests run here, by running one: a boot sector that says a letter and powers off.
 *
 * <p>That {@code /dev/kvm} exists and opens does not mean that it works: in some nested VMs guests hang under it, in
 * others QEMU aborts.
 */
final class QemuProbe {
    private static final String REMEDY_TCG =
            "Mend KVM, or set host.qemu.accelerator: tcg, with which guests run many times slower.";
    private static final int SECTOR_BYTES = 512;
    private static final int DISK_BYTES = 1 << 20;
    private static final String BINARY = "host.qemu.binary";
    private static final String ACCELERATOR = "host.qemu.accelerator";
    private static final Path KVM = Path.of("/dev/kvm");

    /**
     * In 16-bit real mode: {@code out 0x3f8, 'K'} on the first serial port; then {@code outw 0x604, 0x2000}, which sets
     * SLP_EN in the ICH9's PM1a control register where SeaBIOS puts it: power off; {@code hlt} for ever if that fails.
     */
    private static final byte[] CODE = {
        (byte) 0xBA,
        (byte) 0xF8,
        0x03,
        (byte) 0xB0,
        'K',
        (byte) 0xEE,
        (byte) 0xBA,
        0x04,
        0x06,
        (byte) 0xB8,
        0x00,
        0x20,
        (byte) 0xEF,
        (byte) 0xF4,
        (byte) 0xEB,
        (byte) 0xFD
    };

    private final QemuSettings settings;
    private final Duration longest;
    private final Path kvm;

    QemuProbe(QemuSettings settings, Duration longest) {
        this(settings, longest, KVM);
    }

    /** With another file in the place of {@code /dev/kvm}. */
    QemuProbe(QemuSettings settings, Duration longest, Path kvm) {
        this.settings = settings;
        this.longest = longest;
        this.kvm = kvm;
    }

    /** A disk whose first sector does it. SeaBIOS boots no disk of a single sector, so it is larger. */
    static byte[] bootDisk() {
        byte[] disk = new byte[DISK_BYTES];
        System.arraycopy(CODE, 0, disk, 0, CODE.length);
        disk[SECTOR_BYTES - 2] = 0x55;
        disk[SECTOR_BYTES - 1] = (byte) 0xAA;
        return disk;
    }

    Optional<HostProblem> check() {
        if (settings.accelerator() == QemuSettings.Accelerator.KVM) {
            if (!Files.exists(kvm)) {
                return Optional.of(new HostProblem(
                        ACCELERATOR,
                        kvm
                                + " does not exist: this host's processor or hypervisor offers no KVM, or its module is not loaded.",
                        REMEDY_TCG));
            }
            if (!(Files.isReadable(kvm) && Files.isWritable(kvm))) {
                return Optional.of(new HostProblem(
                        ACCELERATOR,
                        kvm + " may not be used by " + System.getProperty("user.name") + ".",
                        "Add that user to the group that owns it (usually kvm) and start Forrest again."));
            }
        }
        try {
            return boot();
        } catch (IOException e) {
            return Optional.of(new HostProblem(
                    BINARY,
                    settings.binary() + " cannot be run: " + e.getMessage() + ".",
                    "Install QEMU (Debian: qemu-system-x86) or correct the path."));
        }
    }

    /** What is wrong with the part of QEMU that a capability needs, or with what runs beside it. */
    Optional<HostProblem> checkFor(HypervisorCapability capability) {
        return switch (capability) {
            case SHELL_SOCKET, READ_ONLY_DISKS, ADOPTION -> Optional.empty();
            case EXTRA_NETWORK_INTERFACES -> hasPart("-netdev", "vde", "VDE network interfaces");
            case SHARED_DIRECTORIES -> hasPart("-device", "virtio-9p-pci", "shared directories (virtfs)");
            case TPM -> hasPart("-tpmdev", "emulator", "emulated TPMs").or(this::checkSwtpm);
        };
    }

    /** QEMU lists what it was built with. */
    private Optional<HostProblem> hasPart(String option, String part, String spoken) {
        Optional<ShortRun> list = run(List.of(settings.binary(), option, "help"));
        // Where QEMU cannot be run at all, that is what is to be said.
        return list.isEmpty()
                        || Pattern.compile("\\b" + part + "\\b")
                                .matcher(list.get().output())
                                .find()
                ? Optional.empty()
                : Optional.of(new HostProblem(
                        BINARY,
                        settings.binary() + " was built without " + spoken + ".",
                        "Install a QEMU that has them (Debian's qemu-system-x86 does)."));
    }

    private Optional<HostProblem> checkSwtpm() {
        boolean works = run(List.of(settings.swtpm(), "--version"))
                .filter(run -> run.exitCode().orElse(1) == 0)
                .isPresent();
        return works
                ? Optional.empty()
                : Optional.of(new HostProblem(
                        "host.qemu.swtpm",
                        settings.swtpm() + " cannot be run.",
                        "Install swtpm (Debian: swtpm) or correct the path."));
    }

    /** Empty if it could not be started. */
    private Optional<ShortRun> run(List<String> line) {
        try {
            return Optional.of(ShortRun.of(line, Path.of("/"), longest));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private Optional<HostProblem> boot() throws IOException {
        Path directory = Files.createTempDirectory("forrest-probe");
        Path disk = directory.resolve("boot.img");
        Path serial = directory.resolve("serial.txt");
        // Also when this process is told to end in the middle of it; the last named goes first.
        List.of(directory, disk, serial).forEach(file -> file.toFile().deleteOnExit());
        try {
            Files.write(disk, bootDisk());
            ShortRun run = ShortRun.of(line(), directory, longest);
            String failure = "";
            if (run.exitCode().isEmpty()) {
                failure = "hangs: a minimal guest did not end within " + longest.toSeconds() + " s.";
            } else if (run.exitCode().getAsInt() != 0) {
                failure = "does not work: QEMU ended with " + run.exitCode().getAsInt() + ": " + lastLine(run.output());
            }
            if (failure.isEmpty()
                    && !(Files.exists(serial) && Files.readString(serial).contains("K"))) {
                failure = "does not work: a minimal guest ended without having run.";
            }
            return failure.isEmpty()
                    ? Optional.empty()
                    : Optional.of(
                            new HostProblem(ACCELERATOR, settings.accelerator().name() + " " + failure, remedy()));
        } finally {
            Files.deleteIfExists(disk);
            Files.deleteIfExists(serial);
            Files.deleteIfExists(directory);
        }
    }

    private List<String> line() {
        List<String> line = new ArrayList<>();
        line.add(settings.binary());
        line.addAll(QemuCommandLine.base(settings));
        line.addAll(List.of(
                "-m", "64",
                "-chardev", "file,id=log,path=serial.txt",
                "-device", "isa-serial,chardev=log",
                "-drive", "if=virtio,format=raw,file=boot.img"));
        return line;
    }

    private String remedy() {
        return settings.accelerator() == QemuSettings.Accelerator.KVM
                ? REMEDY_TCG
                : "Try " + settings.binary() + " by hand.";
    }

    private static String lastLine(String words) {
        return words.substring(words.lastIndexOf('\n') + 1).replaceFirst("\\.*$", ".");
    }
}
