package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.launcher.Eventually;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** The installed package under a real systemd, in a container of this host. */
@Test(groups = {"qemu", "loop", "systemd"})
public class SystemdServiceIT {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final String INSTALL = "dpkg --install --force-depends /root/forrest.deb </dev/null";
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private OverlayRoot root;
    private LoopFileSystem images;
    private EmbeddedGitHub gitHub;
    private Process container;
    private long systemd;

    @BeforeClass
    public void boot() throws Exception {
        HostNeeds.root();
        HostNeeds.program("qemu-system-x86_64");
        Path nspawn = HostNeeds.program("systemd-nspawn");
        images = LoopFileSystem.mount("xfs");
        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(REPOSITORY);
        root = OverlayRoot.mount();
        configure();
        // It has this host's network, which is not for its services to set up.
        Files.createSymbolicLink(root.path("/etc/systemd/system/network-online.target"), Path.of("/dev/null"));
        // Images of containers forbid packages to start services.
        Files.deleteIfExists(root.path("/usr/sbin/policy-rc.d"));
        Files.copy(Distribution.debianPackage(), root.path("/root/forrest.deb"));

        ProcessBuilder builder = new ProcessBuilder(
                        nspawn.toString(),
                        "--quiet",
                        "--register=no",
                        "--keep-unit",
                        "--settings=no",
                        "--console=pipe",
                        "--directory=" + root.root(),
                        "--bind=" + images.directory() + ":/var/lib/forrest",
                        "--boot",
                        // This host's other services have no business there.
                        "systemd.unit=basic.target")
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(Redirect.INHERIT);
        builder.environment().put("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        container = builder.start();
        systemd = Eventually.find("systemd in its container", PATIENCE, () -> {
            if (!container.isAlive()) {
                throw HostNeeds.missing("a host on which systemd-nspawn can boot a systemd");
            }
            return container
                    .descendants()
                    .filter(process -> process.info().command().orElse("").endsWith("/systemd"))
                    .map(ProcessHandle::pid)
                    .findFirst();
        });
        Eventually.holds(
                "systemd is up",
                PATIENCE,
                () -> in("systemctl is-active basic.target").exitCode() == 0);
        // There is a configuration, so it starts the service.
        in(INSTALL).good();
    }

    private void configure() throws Exception {
        Path directory = Files.createDirectories(root.path("/etc/forrest"));
        gitHub.writeKey(directory.resolve("key.pem"));
        Files.createDirectories(directory.resolve("template/cloud-init"));
        Files.createDirectories(directory.resolve("template/job-config"));
        try (RandomAccessFile image =
                new RandomAccessFile(images.directory().resolve("src.raw").toFile(), "rw")) {
            image.setLength(1 << 20);
        }
        Files.writeString(
                directory.resolve("config.yaml"),
                """
                host: {base_dir: /var/lib/forrest, ram: 1G, disk_reserve: 16M, qemu: {accelerator: tcg}}
                github: {api_url: "%1$s", app_id: "%2$s", jwt_key_file: /etc/forrest/key.pem, webhook_secret: "%3$s"}
                repositories:
                  acme:
                    firmware:
                      machines:
                        build:
                          base_image: /var/lib/forrest/src.raw
                          setup_template: {path: /etc/forrest/template}
                          cpus: 1
                          ram: 128M
                          disk: 1M
                """
                        .formatted(gitHub.apiUrl(), gitHub.appId(), gitHub.webhookSecret()));
        Files.setPosixFilePermissions(directory.resolve("key.pem"), PosixFilePermissions.fromString("rw-r--r--"));
    }

    /** A shell command beside the service. */
    private Distribution.Ended in(String command) throws IOException, InterruptedException {
        return Distribution.run(
                "nsenter",
                "--all",
                "--target=" + systemd,
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "sh",
                "-c",
                command);
    }

    @AfterClass(alwaysRun = true)
    public void powerOff() throws Exception {
        if (container != null) {
            in("systemctl poweroff");
            if (!container.waitFor(30, TimeUnit.SECONDS)) {
                container.destroyForcibly();
            }
        }
        if (root != null) {
            root.close();
        }
        if (gitHub != null) {
            gitHub.close();
        }
        if (images != null) {
            images.close();
        }
    }

    private Optional<Long> vm() throws IOException, InterruptedException {
        List<String> lines = in("pgrep -u forrest qemu-system").output().lines().toList();
        return lines.size() == 1 ? Optional.of(Long.valueOf(lines.get(0))) : Optional.empty();
    }

    /** The service's main process. */
    private long daemon() throws IOException, InterruptedException {
        assertThat(in("systemctl is-active forrest").output().strip())
                .as(in("journalctl --no-pager --unit forrest").output())
                .isEqualTo("active");
        return Long.parseLong(
                in("systemctl show --property MainPID --value forrest").good().strip());
    }

    private String status(long process, String key) throws IOException, InterruptedException {
        return in("sed -n 's/^" + key + ":[[:space:]]*//p' /proc/" + process + "/status")
                .good()
                .strip();
    }

    @Test
    public void aVmOutlivesRestartsUpgradesAndTheEndOfTheServiceInAScopeOfItsOwn() throws Exception {
        long first = daemon();
        gitHub.webhookTarget(WebhookTarget.unixSocket(images.directory().resolve("api.sock")));
        gitHub.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, "build", "build", "true"));
        long vm = Eventually.find("a VM", PATIENCE, this::vm);
        assertThat(in("cat /proc/" + vm + "/cgroup").good()).contains("/forrest.slice/forrest-vm-");

        // Neither can gain what it has not got, whatever a guest finds in QEMU.
        for (long process : List.of(first, vm)) {
            assertThat(in("ps -o user= -p " + process).good().strip()).isEqualTo("forrest");
            assertThat(status(process, "NoNewPrivs")).isEqualTo("1");
            assertThat(status(process, "Seccomp")).isEqualTo("2");
            assertThat(status(process, "CapBnd")).matches("0+");
            assertThat(in("nsenter --target " + process + " --mount test -w /etc")
                            .exitCode())
                    .isNotZero();
            assertThat(in("nsenter --target " + process + " --mount test -w /srv")
                            .exitCode())
                    .isZero();
        }

        in(INSTALL).good();
        long second = daemon();
        assertThat(second).isNotEqualTo(first);
        assertThat(vm()).contains(vm);

        // As it was written for the reference.
        Files.writeString(
                root.path("/etc/systemd/system/forrest.service"),
                """
                [Service]
                Type=notify
                User=forrest
                SupplementaryGroups=kvm
                WorkingDirectory=/var/lib/forrest
                ExecStart=/usr/bin/forrest /etc/forrest/config.yaml
                """);
        in("systemctl daemon-reload && systemctl restart forrest").good();
        assertThat(daemon()).isNotEqualTo(second);
        assertThat(vm()).contains(vm);

        in("systemctl stop forrest").good();
        assertThat(vm()).contains(vm);
        assertThat(gitHub.runners()).hasSize(1);
    }
}
