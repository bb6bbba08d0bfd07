package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.images.FatVolumes;
import io.forrest.testing.HostNeeds;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** What a guest reaches of its host with the shipped firewall: a real guest, in a network namespace of its own. */
@Test(groups = "qemu")
public class GuestFirewallTest {
    private static final long LONGEST_SECONDS = 120;

    /** Some user that owns nothing, and stands for {@code forrest}. */
    private static final int USER = 65_533;

    /** Says who answers: on the host's loopback (10.0.2.2), on the host's address in its network, and beside it. */
    private static final String JOB =
            """
            for place in 10.0.2.2:80 10.0.2.2:8080 10.0.2.2:9090 192.0.2.1:8080 192.0.2.1:9090 192.0.2.9:80; do
                echo "$place $(timeout 10 nc "${place%:*}" "${place#*:}" < /dev/null 2>&1)"
            done
            """;

    private static final String HOST =
            """
            set -e
            ip link set lo up
            ip tuntap add dev lan mode tap
            ip address add 192.0.2.1/24 dev lan
            ip link set lan up
            for port in 80 8080 9090; do
                busybox nc -ll -p "$port" -e echo open > /dev/null 2>&1 &
            done
            trap 'kill $(jobs -p)' EXIT
            %s
            setpriv --reuid=%d --regid=%d --clear-groups qemu-system-x86_64 -nodefaults -nographic -M q35,accel=tcg,smm=off \\
                -m 128 -no-reboot -netdev user,id=net0,ipv4=on,ipv6=on,ipv6-net=::/0 -device virtio-net-pci,netdev=net0 \\
                -chardev file,id=log,path=log.txt -device isa-serial,chardev=log \\
                -drive if=virtio,format=raw,file=disk.img -drive if=virtio,format=raw,file=job-config.img
            """;

    private Path directory;
    private Path image;

    @BeforeClass
    public void buildGuest() throws Exception {
        HostNeeds.root();
        for (String program : List.of("qemu-system-x86_64", "busybox", "nft", "unshare", "setpriv")) {
            HostNeeds.program(program);
        }
        directory = Files.createTempDirectory("forrest-firewall");
        ShippedFiles.unpack("guests", directory.resolve("guests"));
        ShippedFiles.unpack("firewall", directory.resolve("firewall"));
        image = directory.resolve("tiny.raw");
        HostCommand.run(directory.resolve("guests/build-tiny-image").toString(), image.toString());
    }

    @AfterClass(alwaysRun = true)
    public void remove() throws Exception {
        if (directory != null) {
            HostCommand.run("rm", "-rf", directory.toString());
        }
    }

    @Test
    public void aGuestReachesOnlyThePortsOfItsHostThatAreMeantForGuestsAndNoClosedNetwork() throws Exception {
        String log = logOf(
                "guarded",
                "sed 's/\"forrest\"/" + USER + "/; s/flags interval/&; elements = { 192.0.2.8-192.0.2.15 }/'"
                        + " ../firewall/firewall.nft | nft -f -");
        assertThat(log).contains("10.0.2.2:80 open", "10.0.2.2:8080 open", "192.0.2.1:8080 open");
        assertThat(log)
                .containsPattern("\n10.0.2.2:9090 .*Connection refused")
                .containsPattern("\n192.0.2.1:9090 .*Connection refused")
                .containsPattern("\n192.0.2.9:80 .*Connection refused");
    }

    /** What is above would say nothing if the guest could not reach the others anyway. */
    @Test
    public void withoutTheFirewallAGuestReachesAllOfItsHost() throws Exception {
        assertThat(logOf("open", "true"))
                .contains("10.0.2.2:9090 open", "192.0.2.1:9090 open")
                .doesNotContain("Connection refused");
    }

    private String logOf(String name, String firewall) throws Exception {
        Path run = Files.createDirectory(directory.resolve(name));
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.copy(image, run.resolve("disk.img"));
        new FatVolumes()
                .write(
                        run.resolve("job-config.img"),
                        "JOBDATA",
                        Map.of("job.sh", JOB.getBytes(StandardCharsets.UTF_8)));
        HostCommand.run("chown", "-R", USER + ":" + USER, run.toString());
        Process host = new ProcessBuilder("unshare", "--net", "bash", "-c", HOST.formatted(firewall, USER, USER))
                .directory(run.toFile())
                .redirectErrorStream(true)
                .redirectOutput(run.resolve("host.txt").toFile())
                .start();
        try {
            boolean ended = host.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS);
            assertThat(ended && host.exitValue() == 0)
                    .as("an end in order: %s", Files.readString(run.resolve("host.txt")))
                    .isTrue();
        } finally {
            host.descendants().forEach(ProcessHandle::destroyForcibly);
            host.destroyForcibly();
        }
        return Files.readString(run.resolve("log.txt"));
    }
}
