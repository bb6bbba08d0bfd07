package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Which runner the template {@code generic} runs. Its {@code job.sh} is run here, among directories that play the guest's. */
public class GenericJobScriptTest {
    private static final String NEW = "2.331.0";
    private static final String OLD = "2.310.1";

    private Path guest;
    private Path home;
    private Path bin;

    @BeforeMethod
    public void makeGuest() throws Exception {
        guest = Files.createTempDirectory("guest");
        home = Files.createDirectory(guest.resolve("home"));
        bin = Files.createDirectory(guest.resolve("bin"));
        Files.createDirectories(guest.resolve("sys/vda"));
        Files.writeString(guest.resolve("sys/vda/serial"), "");
        Files.createDirectory(guest.resolve("dev"));
        program("sudo", "exec \"$@\"");
        program("sleep", "true");
        program(
                "curl",
                "for last; do :; done",
                "echo \"asked for $last\"",
                "while [ \"$1\" != --output ]; do shift; done",
                "cp \"" + guest + "/published-${last##*/}\" \"$2\"");
    }

    private void program(String name, String... lines) throws IOException {
        script(bin.resolve(name), lines);
    }

    private static void script(Path file, String... lines) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + String.join("\n", lines) + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }

    /** A runner that says its version. */
    private static void runner(Path directory, String version) throws IOException {
        script(directory.resolve("run.sh"), "echo \"" + version + " ran with $*\"");
    }

    private Path archive(String version) throws Exception {
        Path content = guest.resolve("content-" + version);
        runner(content, version);
        Path archive = guest.resolve("published-actions-runner-linux-x64-" + version + ".tar.gz");
        HostCommand.run("tar", "-C", content.toString(), "-czf", archive.toString(), ".");
        return archive;
    }

    /** As QEMU shows a file whose length is no multiple of a sector's. */
    private void giveDisk(Path archive) throws IOException {
        Path disk = guest.resolve("dev/vdd");
        Files.copy(archive, disk);
        Files.write(disk, new byte[512 - (int) (Files.size(disk) % 512)], StandardOpenOption.APPEND);
        Files.createDirectories(guest.resolve("sys/vdd"));
        Files.writeString(guest.resolve("sys/vdd/serial"), "actions-runner");
    }

    private static String sha256(Path file) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
    }

    /** What the image has of a runner. */
    private void installed(String version) throws IOException {
        runner(home.resolve("runner"), version);
    }

    private void stamp(String version) throws IOException {
        Files.writeString(home.resolve("runner/.forrest-version"), version + "\n");
    }

    private void listener(String version) throws IOException {
        script(home.resolve("runner/bin/Runner.Listener"), "[ \"$*\" = --version ] && echo " + version);
    }

    private String run(String shell, int expectedExit, String version, String sha256) throws Exception {
        Path template = guest.resolve("template");
        if (!Files.exists(template)) {
            ShippedFiles.unpack("setup-templates/generic", template);
        }
        String text = Files.readString(template.resolve("job-config/job.sh"))
                .replace("<RUNNER_VERSION>", version)
                .replace("<RUNNER_HASH>", sha256)
                .replace("<JITCONFIG>", "jit")
                .replace("/home/runner", home.toString())
                .replace("/sys/block", guest + "/sys")
                .replace("/dev/${", guest + "/dev/${");
        Path job = Files.writeString(guest.resolve("job.sh"), text);
        ProcessBuilder builder = new ProcessBuilder(shell, job.toString()).redirectErrorStream(true);
        builder.environment().merge("PATH", bin.toString(), (path, first) -> first + ":" + path);
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(said).isEqualTo(expectedExit);
        return said;
    }

    private String run(String shell, String version, String sha256) throws Exception {
        return run(shell, 0, version, sha256);
    }

    @DataProvider
    public Object[][] shells() {
        return new Object[][] {{"sh"}, {"bash"}};
    }

    @Test(dataProvider = "shells")
    public void aGuestWithoutARunnerUnpacksTheOneOnItsDisk(String shell) throws Exception {
        Path archive = archive(NEW);
        giveDisk(archive);
        assertThat(run(shell, NEW, sha256(archive)))
                .contains(NEW + " ran with --jitconfig jit")
                .doesNotContain("asked for");
        assertThat(home.resolve("runner/.forrest-version")).hasContent(NEW);
        assertThat(home.resolve("runner.new")).doesNotExist();
        // The next machine of this image has it.
        assertThat(run(shell, NEW, sha256(archive)))
                .contains(NEW + " ran with")
                .doesNotContain("unpacking", "asked for");
    }

    @Test(dataProvider = "shells")
    public void aGuestWithoutADiskDownloadsAndChecksIt(String shell) throws Exception {
        Path archive = archive(NEW);
        assertThat(run(shell, NEW, sha256(archive)))
                .contains("asked for https://github.com/actions/runner/releases/download/v" + NEW, NEW + " ran with");
        HostCommand.run("rm", "-rf", home.resolve("runner").toString());
        assertThat(run(shell, 1, NEW, "0".repeat(64))).contains("giving up").doesNotContain("ran with");
    }

    @Test(dataProvider = "shells")
    public void whereTheDiskCannotBeUnpackedItIsDownloaded(String shell) throws Exception {
        Path archive = archive(NEW);
        giveDisk(archive);
        Files.write(guest.resolve("dev/vdd"), new byte[4096]);
        assertThat(run(shell, NEW, sha256(archive))).contains("unpacking", "asked for", NEW + " ran with");
    }

    @Test
    public void anOldRunnerOfTheImageIsReplacedFromTheDiskHoweverItGotThere() throws Exception {
        Path archive = archive(NEW);
        giveDisk(archive);
        List<String> ways = List.of("stamped by an earlier machine", "the user's own", "whose version nobody knows");
        for (String way : ways) {
            HostCommand.run("rm", "-rf", home.resolve("runner").toString());
            installed(OLD);
            switch (ways.indexOf(way)) {
                case 0 -> stamp(OLD);
                case 1 -> listener(OLD);
                default -> assertThat(home.resolve("runner/bin")).doesNotExist();
            }
            assertThat(run("sh", NEW, sha256(archive))).as(way).contains(NEW + " ran with");
        }
    }

    @Test
    public void aRunnerOfTheUsersThatIsNewEnoughStays() throws Exception {
        giveDisk(archive(NEW));
        installed("the user's");
        listener(NEW);
        assertThat(run("sh", NEW, "0".repeat(64)))
                .contains("the user's ran with")
                .doesNotContain("unpacking");
    }

    @Test
    public void withoutADiskARunnerOfTheUsersStaysWhateverItsVersion() throws Exception {
        installed("the user's");
        listener(OLD);
        assertThat(run("sh", NEW, "0".repeat(64))).contains("the user's ran with");
        assertThat(run("sh", "none", "none")).contains("the user's ran with");
    }

    @Test
    public void whereNobodySaysWhichRunnerTheOneThatIsHereRuns() throws Exception {
        installed(OLD);
        stamp(OLD);
        assertThat(run("sh", "<RUNNER_VERSION>", "<RUNNER_HASH>")).contains(OLD + " ran with");
        HostCommand.run("rm", "-rf", home.resolve("runner").toString());
        assertThat(run("sh", 1, "<RUNNER_VERSION>", "<RUNNER_HASH>")).contains("nobody says which", "RUNNER_VERSION");
    }

    @Test
    public void whereTheNewRunnerCannotBeHadTheOldOneRuns() throws Exception {
        installed(OLD);
        stamp(OLD);
        assertThat(run("sh", NEW, "0".repeat(64)))
                .contains("trying again", "going on with the runner that is here", OLD + " ran with");
        assertThat(home.resolve("runner/.forrest-version")).hasContent(OLD);
        assertThat(home.resolve("runner.new")).doesNotExist();
    }
}
