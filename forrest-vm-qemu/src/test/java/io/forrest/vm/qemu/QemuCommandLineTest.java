package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.DataSize;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.spi.VmSpec;
import io.forrest.testing.TestConfigs;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.Test;

public class QemuCommandLineTest {
    private static final MachineId MACHINE = MachineId.random(TestConfigs.typeId("build"));
    private static final Path RUN = Path.of("/var/lib/forrest/runs").resolve(MACHINE.runnerName());
    private static final String DRIVE =
            "if=virtio,format=raw,discard=unmap,cache.writeback=on,cache.direct=on,cache.no-flush=on,file=";

    private static VmSpec spec(Path disk, VmSpec.ReadOnlyDisk... readOnlyDisks) {
        return new VmSpec(
                MACHINE,
                RUN,
                4,
                DataSize.parse("8G"),
                List.of(disk, RUN.resolve("cloud-init.img"), RUN.resolve("job-config.img")),
                List.of(readOnlyDisks),
                RUN.resolve("log.txt"),
                Optional.of(RUN.resolve("shell.sock")),
                List.of(),
                List.of(),
                Optional.empty());
    }

    /** Guests in the field match on PCI slots (the first extra interface is enp0s4), which this order makes. */
    @Test
    public void theGuestSeesTheDevicesOfTheReferenceInItsOrder() {
        List<String> line = QemuCommandLine.of(QemuSettings.of(Map.of()), spec(RUN.resolve("disk.img")));
        assertThat(line)
                .startsWith(
                        "-nodefaults",
                        "-nographic",
                        "-M",
                        "type=q35,accel=kvm,smm=on",
                        "-cpu",
                        "max",
                        "-global",
                        "ICH9-LPC.disable_s3=1");
        assertThat(line)
                .containsSubsequence("-smp", "4")
                .containsSubsequence("-m", "8192")
                .endsWith(
                        "-netdev",
                        "user,id=net0,ipv4=on,ipv6=on,ipv6-net=::/0",
                        "-device",
                        "virtio-net-pci,netdev=net0",
                        "-object",
                        "rng-random,id=rng0,filename=/dev/urandom",
                        "-device",
                        "virtio-rng-pci,rng=rng0",
                        "-device",
                        "VGA,vgamem_mb=4",
                        "-chardev",
                        "file,id=log,append=on,path=log.txt",
                        "-device",
                        "isa-serial,chardev=log",
                        "-chardev",
                        "socket,id=shell,server=on,wait=off,path=shell.sock",
                        "-device",
                        "isa-serial,chardev=shell",
                        "-drive",
                        DRIVE + "disk.img",
                        "-drive",
                        DRIVE + "cloud-init.img",
                        "-drive",
                        DRIVE + "job-config.img");
    }

    @Test
    public void aPathWithACommaIsOnePathAndNoFurtherOption() {
        assertThat(QemuCommandLine.of(QemuSettings.of(Map.of()), spec(Path.of("/a,readonly=on/disk.img"))))
                .contains(DRIVE + "/a,,readonly=on/disk.img");
    }

    @Test
    public void readOnlyDisksAreAtTheEndOfTheBusSoThatNothingElseMoves() {
        VmSpec spec = spec(
                RUN.resolve("disk.img"),
                new VmSpec.ReadOnlyDisk("runner-x64", Path.of("/cache/a,b.tar.gz")),
                new VmSpec.ReadOnlyDisk("runner-arm64", Path.of("/cache/arm64.tar.gz")));
        assertThat(QemuCommandLine.of(QemuSettings.of(Map.of()), spec))
                .endsWith(
                        "-drive",
                        DRIVE + "job-config.img",
                        "-drive",
                        "if=none,id=readonly-29,format=raw,readonly=on,file=/cache/a,,b.tar.gz",
                        "-device",
                        "virtio-blk-pci,drive=readonly-29,serial=runner-x64,addr=0x1d",
                        "-drive",
                        "if=none,id=readonly-30,format=raw,readonly=on,file=/cache/arm64.tar.gz",
                        "-device",
                        "virtio-blk-pci,drive=readonly-30,serial=runner-arm64,addr=0x1e");
    }

    @Test
    public void sharesComeBeforeExtraNetworkInterfacesAndTheseBeforeTheTpm() {
        VmSpec plain = spec(RUN.resolve("disk.img"));
        VmSpec spec = new VmSpec(
                plain.machine(),
                plain.runDirectory(),
                plain.cpus(),
                plain.ram(),
                plain.disks(),
                List.of(new VmSpec.ReadOnlyDisk("runner", Path.of("/cache/runner"))),
                plain.serialLog(),
                plain.shellSocket(),
                List.of(
                        new VmSpec.NetworkInterface(Path.of("/run/vde,a"), MacAddress.fromRandom(1)),
                        new VmSpec.NetworkInterface(Path.of("/run/b"), MacAddress.fromRandom(2))),
                List.of(
                        new VmSpec.SharedDirectory(Path.of("/srv/git,1"), "shared-git", false),
                        new VmSpec.SharedDirectory(Path.of("/srv/cache"), "cache", true)),
                Optional.of(RUN.resolve("tpm.swtpm")));
        assertThat(QemuCommandLine.of(QemuSettings.of(Map.of()), spec))
                .endsWith(
                        "-virtfs",
                        "local,id=share-0,security_model=none,mount_tag=shared-git,readonly=on,path=/srv/git,,1",
                        "-virtfs",
                        "local,id=share-1,security_model=none,mount_tag=cache,readonly=off,path=/srv/cache",
                        "-netdev",
                        "vde,id=nic-0,sock=/run/vde,,a",
                        "-device",
                        "virtio-net-pci,netdev=nic-0,mac=02:00:00:00:00:01",
                        "-netdev",
                        "vde,id=nic-1,sock=/run/b",
                        "-device",
                        "virtio-net-pci,netdev=nic-1,mac=02:00:00:00:00:02",
                        "-chardev",
                        "socket,id=chrtpm,path=swtpm.ctrl",
                        "-tpmdev",
                        "emulator,id=tpm0,chardev=chrtpm",
                        "-device",
                        "tpm-tis,tpmdev=tpm0",
                        "-drive",
                        "if=none,id=readonly-30,format=raw,readonly=on,file=/cache/runner",
                        "-device",
                        "virtio-blk-pci,drive=readonly-30,serial=runner,addr=0x1e");
        assertThat(Swtpm.arguments(spec, RUN.resolve("tpm.swtpm")))
                .containsSequence("--tpm2", "--tpmstate", "backend-uri=file://tpm.swtpm")
                .containsSequence("--ctrl", "type=unixio,path=swtpm.ctrl")
                .contains("--terminate");
    }
}
