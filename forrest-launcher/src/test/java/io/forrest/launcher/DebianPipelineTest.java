package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.inject.AbstractModule;
import com.google.inject.multibindings.Multibinder;
import io.forrest.ForrestListener;
import io.forrest.domain.HostProblem;
import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.EmbeddedJob;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.PluginException;
import io.forrest.spi.Vm;
import io.forrest.spi.VmSpec;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.VdeSwitch;
import io.forrest.vm.qemu.QemuHypervisorFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/**
 * An image pipeline as the reference's users have them, in real Debian guests with the shipped template, and what such a
 * guest sees as hardware. The machines run once, before the tests, since each takes a minute.
 */
@Test(groups = {"qemu", "loop", "debian"})
public class DebianPipelineTest {
    private static final RepositoryId IMAGES = new RepositoryId("acme", "images");
    private static final RepositoryId FIRMWARE = new RepositoryId("acme", "firmware");
    private static final String TOKEN = "the-token-of-images";
    private static final Duration LONGEST_JOB = Duration.ofMinutes(15);
    private static final long STORE_BYTES = 16L << 30;
    private static final String ARCHIVE = "an archive for all machines".repeat(30);

    private static final String SECRET = "nothing for guests";

    /** As the action forrest-runner/persist does it. */
    private static final String PERSIST =
            """
            sudo fstrim /
            printf %s '${{ secrets.PERSISTENCE_TOKEN }}' > /home/runner/config/persist
            """;

    private static final String INSTALL_TOOLCHAIN =
            """
            set -eu
            printf '#!/bin/sh\necho "toolchain: works"\n' | sudo tee /usr/local/bin/toolchain > /dev/null
            sudo chmod 755 /usr/local/bin/toolchain
            """
                    + PERSIST;

    private static final String INSTALL_YOCTO =
            """
            set -eu
            toolchain
            printf '#!/bin/sh\necho "yocto: works"\n' | sudo tee /usr/local/bin/yocto > /dev/null
            sudo chmod 755 /usr/local/bin/yocto
            echo "interfaces:" $(ls /sys/class/net)
            """
                    + PERSIST;

    private static final String BUILD =
            """
            set -u
            toolchain
            yocto
            echo "interfaces:" $(ls /sys/class/net)

            test -c /dev/tpm0 && echo "tpm: version $(cat /sys/class/tpm/tpm0/tpm_version_major)"
            echo "tpm: $(sudo cat /sys/class/tpm/tpm0/pcr-sha256/7 | wc -c) characters of a register"

            share() {
                sudo mkdir -p "/mnt/$1"
                sudo mount -t 9p -o trans=virtio,version=9p2000.L "$1" "/mnt/$1"
            }
            share shared-git
            share cache
            echo "shared-git: $(cat /mnt/shared-git/word)"
            sudo sh -c 'echo x > /mnt/shared-git/word' && echo "shared-git: WRITTEN"
            sudo touch /mnt/shared-git/new && echo "shared-git: MADE"
            sudo rm -f /mnt/shared-git/word && echo "shared-git: REMOVED"
            sudo mount -o remount,rw /mnt/shared-git
            sudo chmod 777 /mnt/shared-git && echo "shared-git: CHANGED"
            echo "from the guest" | sudo tee /mnt/cache/word > /dev/null && echo "cache: written"
            # The host's own file of this name is not meant.
            sudo ln -s %1$s /mnt/cache/link
            cat /mnt/cache/link || echo "link: leads nowhere here"

            disk=/dev/disk/by-id/virtio-archive
            echo "archive: $(sudo head -c %2$d $disk)"
            sudo dd if=/dev/zero of=$disk bs=512 count=1 conv=fsync && echo "archive: WRITTEN"
            sudo blockdev --setrw $disk
            sudo dd if=/dev/zero of=$disk bs=512 count=1 oflag=direct && echo "archive: WRITTEN BY FORCE"
            true
            """;

    private LoopFileSystem store;
    private EmbeddedGitHub gitHub;
    private VdeSwitch lab;
    private VdeSwitch bench;
    private Daemon daemon;
    private Path work;
    private final Map<String, MachineSnapshot> machines = new ConcurrentHashMap<>();

    private EmbeddedJob yocto;
    private EmbeddedJob base;
    private EmbeddedJob build;

    /** Gives each VM an archive, too, that several may read. */
    private record WithArchive(Hypervisor qemu, Path archive) implements Hypervisor {
        @Override
        public Set<HypervisorCapability> capabilities() {
            return qemu.capabilities();
        }

        @Override
        public List<HostProblem> checkHost() {
            return qemu.checkHost();
        }

        @Override
        public Vm start(VmSpec spec) throws PluginException {
            return qemu.start(new VmSpec(
                    spec.machine(),
                    spec.runDirectory(),
                    spec.cpus(),
                    spec.ram(),
                    spec.disks(),
                    List.of(new VmSpec.ReadOnlyDisk("archive", archive)),
                    spec.serialLog(),
                    spec.shellSocket(),
                    spec.networkInterfaces(),
                    spec.sharedDirectories(),
                    spec.tpmState()));
        }

        @Override
        public Optional<Vm> find(Path runDirectory) throws PluginException {
            return qemu.find(runDirectory);
        }

        @Override
        public void close() {
            qemu.close();
        }
    }

    @BeforeClass
    public void runThePipeline() throws Exception {
        HostNeeds.root();
        for (String program :
                List.of("qemu-system-x86_64", "mmdebstrap", "extlinux", "sfdisk", "mkfs.ext4", "swtpm", "vde_switch")) {
            HostNeeds.program(program);
        }
        store = LoopFileSystem.mount("xfs", STORE_BYTES);
        work = store.directory();
        ShippedFiles.unpack("guests", work.resolve("guests"));
        ShippedFiles.unpack("setup-templates/generic", work.resolve("template"));
        HostCommand.run(
                work.resolve("guests/build-debian-image").toString(),
                "--demo-runner",
                work.resolve("debian.raw").toString());
        lab = new VdeSwitch();
        bench = new VdeSwitch();
        Files.createDirectories(work.resolve("git"));
        Files.writeString(work.resolve("git/word"), "from the host\n");
        Files.createDirectories(work.resolve("cache"));
        Files.writeString(work.resolve("archive"), ARCHIVE);
        Files.writeString(work.resolve("outside"), SECRET);
        Path images = Files.createDirectories(work.resolve("base/machines/acme/firmware"));
        // A TPM that is new.
        Files.createFile(images.resolve("build.swtpm"));

        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(IMAGES);
        gitHub.addRepository(FIRMWARE);
        gitHub.addSecret(IMAGES, "PERSISTENCE_TOKEN", TOKEN);
        gitHub.writeKey(work.resolve("key.pem"));
        start();
        gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(work.resolve("base"))));

        // GitHub has it before its base's.
        JobId yoctoJob = queue(IMAGES, "debian-yocto", INSTALL_YOCTO);
        JobId baseJob = queue(IMAGES, "debian-base", INSTALL_TOOLCHAIN);
        base = end(baseJob);
        yocto = end(yoctoJob);
        build = end(queue(FIRMWARE, "build", BUILD.formatted(work.resolve("outside"), ARCHIVE.length())));
    }

    private void start() throws Exception {
        String guest =
                """
                setup_template: {path: %s/template, parameters: {RUNNER_VERSION: none, RUNNER_HASH: none}}
                cpus: 2
                ram: 2G
                disk: 4G
                """
                        .formatted(work)
                        .indent(10);
        Path config = Files.writeString(
                work.resolve("config.yaml"),
                """
                host: {base_dir: %1$s/base, ram: 4G, disk_reserve: 64M, qemu: {accelerator: tcg}}
                github: {api_url: "%2$s", app_id: "%3$s", jwt_key_file: %1$s/key.pem, webhook_secret: "%4$s"}
                repositories:
                  acme:
                    images:
                      persistence_token: %5$s
                      machines:
                        debian-base:
                          base_image: %1$s/debian.raw
                          use_base: always
                %6$s
                        debian-yocto:
                          base_machine: acme/images/debian-base
                          network_interfaces:
                          - {type: vde, path: %7$s}
                          - {type: vde, path: %8$s}
                %6$s
                    firmware:
                      machines:
                        build:
                          base_machine: acme/images/debian-yocto
                          shared:
                          - {path: %1$s/git, tag: shared-git}
                          - {path: %1$s/cache, tag: cache, writable: true}
                          network_interfaces:
                          - {type: vde, path: %7$s}
                          - {type: vde, path: %8$s}
                %6$s
                """
                        .formatted(
                                work,
                                gitHub.apiUrl(),
                                gitHub.appId(),
                                gitHub.webhookSecret(),
                                TOKEN,
                                guest,
                                lab.directory(),
                                bench.directory()));
        daemon = Daemon.of(config, new AbstractModule() {
            @Override
            protected void configure() {
                bind(Hypervisor.class)
                        .toInstance(new WithArchive(
                                new QemuHypervisorFactory().create(Map.of("accelerator", "tcg")),
                                work.resolve("archive")));
                Multibinder.newSetBinder(binder(), ForrestListener.class)
                        .addBinding()
                        .toInstance(machine -> machines.put(machine.id().runnerName(), machine));
            }
        });
        daemon.start();
    }

    private JobId queue(RepositoryId repository, String machineType, String script) {
        return gitHub.queueJob(EmbeddedGitHub.JobRequest.push(repository, "on " + machineType, machineType, script));
    }

    private Optional<MachineSnapshot> machine(EmbeddedJob job) {
        return job.runnerName().flatMap(name -> Optional.ofNullable(machines.get(name)));
    }

    /** The job, when its machine is gone. */
    private EmbeddedJob end(JobId job) throws Exception {
        return Eventually.find(
                "the end of the machine of " + gitHub.job(job).name(), LONGEST_JOB, () -> Optional.of(gitHub.job(job))
                        .filter(known -> machine(known)
                                .filter(machine -> machine.state() == MachineState.STOPPED)
                                .isPresent()));
    }

    @AfterClass(alwaysRun = true)
    public void clean() throws Exception {
        if (daemon != null) {
            daemon.endMachines();
            daemon.close();
        }
        if (work != null) {
            Qemus.kill(work);
        }
        if (gitHub != null) {
            gitHub.close();
        }
        for (VdeSwitch vde : new VdeSwitch[] {lab, bench}) {
            if (vde != null) {
                vde.close();
            }
        }
        if (store != null) {
            store.close();
        }
    }

    // ---- the pipeline

    @Test
    public void aJobThatWasQueuedBeforeItsBaseWaitsForThatsPromotionAndBuildsOnIt() {
        for (EmbeddedJob job : List.of(base, yocto)) {
            assertThat(job.conclusion()).as(job.log()).contains("success");
            assertThat(machine(job).orElseThrow().outcome().orElseThrow().disk())
                    .as(job.name())
                    .isEqualTo(MachineOutcome.Disk.PROMOTED);
        }
        MachineSnapshot baseMachine = machine(base).orElseThrow();
        assertThat(yocto.createdAt()).isBefore(base.createdAt());
        assertThat(machine(yocto).orElseThrow().vmStartedAt().orElseThrow()).isAfterOrEqualTo(baseMachine.since());
        assertThat(yocto.log()).contains("toolchain: works");
    }

    @Test
    public void aBuildMachineOfAnotherRepositoryStartsFromTheWholePipeline() {
        assertThat(build.conclusion()).as(build.log()).contains("success");
        assertThat(build.log()).contains("toolchain: works", "yocto: works");
        assertThat(machine(build).orElseThrow().outcome().orElseThrow().disk())
                .as("nobody persisted it")
                .isEqualTo(MachineOutcome.Disk.DISCARDED);
    }

    // ---- the devices

    @Test
    public void theFirstExtraNetworkInterfaceIsEnp0s4() {
        assertThat(yocto.log()).contains("interfaces: enp0s1 enp0s4 enp0s5 lo\n");
    }

    @Test
    public void eachSharedDirectoryComesBeforeTheNetworkInterfacesAsWithTheReference() {
        assertThat(build.log()).contains("interfaces: enp0s1 enp0s6 enp0s7 lo\n");
    }

    @Test
    public void aTpmWorks() {
        assertThat(build.log()).contains("tpm: version 2\n", "tpm: 65 characters of a register\n");
        assertThat(work.resolve("base/machines/acme/firmware/build.swtpm"))
                .as("nothing is copied back")
                .isEmptyFile();
    }

    @Test
    public void aReadOnlyShareIsReadAndNotWrittenByRootEither() {
        assertThat(build.log())
                .contains("shared-git: from the host")
                .doesNotContain(
                        "shared-git: WRITTEN", "shared-git: MADE", "shared-git: REMOVED", "shared-git: CHANGED");
        assertThat(work.resolve("git/word")).hasContent("from the host");
        assertThat(work.resolve("git/new")).doesNotExist();
    }

    @Test
    public void aWritableShareIsWrittenAndItsLinksAreFollowedByTheGuestAlone() {
        assertThat(build.log()).contains("cache: written");
        assertThat(work.resolve("cache/word")).hasContent("from the guest");
        assertThat(work.resolve("cache/link")).isSymbolicLink().hasContent(SECRET);
        assertThat(build.log()).contains("link: leads nowhere here").doesNotContain(SECRET);
    }

    @Test
    public void aReadOnlyDiskIsFoundByItsNameAndNotWritten() {
        assertThat(build.log())
                .contains("archive: " + ARCHIVE)
                .doesNotContain("archive: WRITTEN", "archive: WRITTEN BY FORCE");
        assertThat(work.resolve("archive")).hasContent(ARCHIVE);
    }
}
