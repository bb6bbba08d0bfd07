package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** Real guests that leave all kinds of things where the persistence token should be. */
@Test(groups = {"qemu", "loop"})
public class HostileGuestTest {
    private static final String PERSIST = "/home/runner/config/persist";

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private TinyFarm farm;

    @BeforeClass
    public void open() throws Exception {
        farm = new TinyFarm("512M", FleetTimings.DEFAULT);
    }

    @AfterClass(alwaysRun = true)
    public void close() {
        if (farm != null) {
            farm.close();
        }
    }

    @Test
    public void onlyTheTokenAndTheTokenWithOneNewlineArePromotedAndNobodyHarmsAnother() throws Exception {
        Map<String, String> scripts = new LinkedHashMap<>();
        scripts.put("nothing", "true");
        scripts.put("an empty file", ": > " + PERSIST);
        scripts.put("a directory", "mkdir " + PERSIST);
        scripts.put("the token and more", "printf '%s and more' " + TinyFarm.TOKEN + " > " + PERSIST);
        scripts.put("two newlines", "printf '%s\\n\\n' " + TinyFarm.TOKEN + " > " + PERSIST);
        scripts.put("a part of the token", "printf the-pers > " + PERSIST);
        scripts.put("as much as fits", "cat /dev/zero > " + PERSIST + "; true");
        scripts.put("noise in place of the volume", "dd if=/dev/urandom of=/dev/vdc bs=64k count=16; true");
        scripts.put(
                "the token, and noise all over the volume",
                "printf %s " + TinyFarm.TOKEN + " > " + PERSIST
                        + "; sync; dd if=/dev/urandom of=/dev/vdc bs=512 count=9; sync; true");
        Map<String, JobId> jobs = new LinkedHashMap<>();
        scripts.forEach((name, script) -> jobs.put(name, farm.queue(name, script)));
        JobId good = farm.queue("the token among all of these", "echo " + TinyFarm.TOKEN + " > " + PERSIST);

        assertThat(farm.outcome(good).disk()).isEqualTo(MachineOutcome.Disk.PROMOTED);
        FileTime promoted = Files.getLastModifiedTime(farm.machineImage());
        for (Map.Entry<String, JobId> job : jobs.entrySet()) {
            assertThat(farm.outcome(job.getValue()).disk()).as(job.getKey()).isEqualTo(MachineOutcome.Disk.DISCARDED);
            assertThat(farm.gitHub().job(job.getValue()).conclusion())
                    .as(job.getKey())
                    .isEqualTo(Optional.of("success"));
        }
        assertThat(Files.getLastModifiedTime(farm.machineImage())).isEqualTo(promoted);
        assertThat(farm.gitHub().runners()).isEmpty();

        JobId bare = farm.queue("the bare token", "printf %s " + TinyFarm.TOKEN + " > " + PERSIST);
        assertThat(farm.outcome(bare).disk()).isEqualTo(MachineOutcome.Disk.PROMOTED);
    }

    @Test
    public void aVmThatIsKilledAfterItsJobLeftTheTokenIsNotPromoted() throws Exception {
        JobId job = farm.queue("killed", "printf %s " + TinyFarm.TOKEN + " > " + PERSIST + "; sync; sleep 600");
        Path jobConfig = Eventually.find("the token is on the volume", PATIENCE, () -> farm.runDirectory(job)
                .map(run -> run.resolve("job-config.img"))
                .filter(volume -> contains(volume, TinyFarm.TOKEN)));
        assertThat(jobConfig).exists();
        ProcessHandle.of(farm.machine(job).orElseThrow().processId().orElseThrow())
                .orElseThrow()
                .destroyForcibly();
        assertThat(farm.outcome(job).disk()).isEqualTo(MachineOutcome.Disk.DISCARDED);
        farm.gitHub().cancelJob(job);
    }

    private static boolean contains(Path file, String text) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1).contains(text);
        } catch (IOException e) {
            return false;
        }
    }
}
