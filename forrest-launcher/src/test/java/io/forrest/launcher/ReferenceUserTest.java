package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.MarkdownBlocks;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** Whoever ran the reference stops it, starts this, and keeps configuration, templates, images and workflows. */
@Test(groups = {"qemu", "loop"})
public class ReferenceUserTest {
    private static final RepositoryId IMAGES = new RepositoryId("acme", "images");
    private static final RepositoryId FIRMWARE = new RepositoryId("acme", "firmware");
    private static final Duration LONGEST_JOB = Duration.ofMinutes(3);

    private LoopFileSystem fileSystem;
    private EmbeddedGitHub gitHub;
    private Path work;

    /** What the reference and its user leave, with a guest that is smaller than theirs. */
    @BeforeClass
    public void leaveWhatTheReferenceLeaves() throws Exception {
        for (String program : List.of("qemu-system-x86_64", "busybox", "cpio", "mcopy", "syslinux")) {
            HostNeeds.program(program);
        }
        fileSystem = LoopFileSystem.mount("xfs");
        work = fileSystem.directory();
        gitHub = new EmbeddedGitHub(Clock.systemUTC());
        gitHub.addRepository(IMAGES);
        gitHub.addRepository(FIRMWARE);
        gitHub.addRepository(new RepositoryId("acme-labs", "recipes"));
        for (String directory : List.of("etc/templates/debian/cloud-init", "etc/templates/debian/job-config", "srv")) {
            Files.createDirectories(work.resolve(directory));
        }
        for (String directory : List.of("git", "cache", "www", "vde.ctl", "srv/machines/acme/images")) {
            Files.createDirectories(work.resolve(directory));
        }
        gitHub.writeKey(work.resolve("etc/key.pem"));
        Files.writeString(
                work.resolve("etc/config.yaml"),
                Files.readString(MarkdownBlocks.sourceFile(
                                "forrest-launcher/src/test/resources/io/forrest/launcher/reference-user.yaml"))
                        .replace("@WORK@", work.toString())
                        .replace("@APP_ID@", gitHub.appId())
                        .replace("@SECRET@", gitHub.webhookSecret())
                        .replace("@API@", gitHub.apiUrl().toString()));
        template(
                "cloud-init/user-data",
                """
                #cloud-config
                hostname: <MACHINE_NAME>
                users:
                  - name: runner
                    sudo: ALL=(ALL) NOPASSWD:ALL
                """);
        template("cloud-init/meta-data", "instance-id: <REPO_OWNER>-<REPO_NAME>-<MACHINE_NAME>\n");
        template("job-config/run-token", "<RUN_TOKEN>\n");
        template(
                "job-config/job.sh",
                """
                #!/bin/sh
                export FORREST_API_URL=http://10.0.2.2:8080
                export FORREST_RUN_TOKEN_FILE=/home/runner/config/run-token
                cd /home/runner
                [ -e runner/run.sh ] || echo <RUNNER_VERSION> <RUNNER_HASH>
                ./runner/run.sh --jitconfig <JITCONFIG>
                """);

        Path base = work.resolve("srv/debian-13-generic-amd64.raw");
        ShippedFiles.unpack("guests", work.resolve("guests"));
        HostCommand.run(work.resolve("guests/build-tiny-image").toString(), base.toString());
        Path arch = work.resolve("srv/Arch-Linux-x86_64-cloudimg.raw");
        Files.copy(base, arch);
        for (String type : List.of("debian-trixie-base", "debian-trixie-yocto")) {
            Path image = work.resolve("srv/machines/acme/images/" + type + ".img");
            Files.copy(base, image);
            HostCommand.run(
                    "mcopy",
                    "-i",
                    image.toString(),
                    work.resolve("etc/config.yaml").toString(),
                    "::" + type);
        }
        Path crashed = run();
        Files.createDirectories(crashed);
        for (String file : List.of("disk.img", "cloud-init.img", "job-config.img", "log.txt")) {
            Files.writeString(crashed.resolve(file), "left behind");
        }
    }

    private void template(String name, String text) throws Exception {
        Files.writeString(work.resolve("etc/templates/debian").resolve(name), text);
    }

    /** Of a machine that was at work when the reference was killed. */
    private Path run() {
        return work.resolve("srv/runs/acme/firmware/build/forrest-build-a1B2c3D4e5F6g7H8");
    }

    @AfterClass(alwaysRun = true)
    public void end() {
        if (gitHub != null) {
            gitHub.close();
            Qemus.kill(work);
            fileSystem.close();
        }
    }

    @Test
    public void nothingIsFoundToBeWrongWithAReferenceUsersFile() throws Exception {
        try (LauncherProcess check = new LauncherProcess(work.resolve("etc"), Map.of(), "check")) {
            assertThat(check.exitCode()).as(check.output()).isZero();
            assertThat(check.output().lines()).as(check.output()).hasSize(1);
        }
    }

    @Test
    public void aReferenceUsersJobsRunOnTheImagesThatTheReferenceMade() throws Exception {
        Path config = work.resolve("etc/config.yaml");
        try (LauncherProcess daemon = new LauncherProcess(work.resolve("srv"), Map.of(), config.toString())) {
            Eventually.holds("the API", LONGEST_JOB, () -> Files.exists(work.resolve("srv/api.sock")));
            assertThat(run().resolve("log.txt")).hasContent("left behind");
            assertThat(run()).isDirectoryNotContaining("glob:**.img");

            gitHub.webhookTarget(WebhookTarget.unixSocket(work.resolve("srv/api.sock")));
            JobId job = gitHub.queueJob(
                    EmbeddedGitHub.JobRequest.push(
                            FIRMWARE,
                            "compile",
                            "build",
                            """
                    test -s /srv/debian-trixie-yocto || exit 1
                    grep -q '[0-9a-f]' "$FORREST_RUN_TOKEN_FILE" || exit 1
                    sudo fstrim / || true
                    echo built > /srv/built
                    printf firmware-token > /home/runner/config/persist
                    """));
            Path image = work.resolve("srv/machines/acme/firmware/build.img");
            Eventually.holds("the promoted image", LONGEST_JOB, () -> Files.exists(image));
            assertThat(gitHub.job(job).conclusion()).as(daemon.output()).isEqualTo(Optional.of("success"));
            assertThat(gitHub.job(job).runnerName().orElseThrow()).matches("forrest-build-[A-Za-z0-9]{16}");
            HostCommand.run("mtype", "-i", image.toString(), "::built");
            daemon.terminate();
            assertThat(daemon.exitCode()).as(daemon.output()).isZero();
            assertThat(daemon.output().lines().filter(line -> line.contains(" WARN ") || line.contains(" ERROR ")))
                    .isEmpty();
        }
    }
}
