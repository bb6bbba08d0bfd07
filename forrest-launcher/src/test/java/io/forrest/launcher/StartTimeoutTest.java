package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.testng.annotations.Test;

@Test(groups = {"qemu", "loop"})
public class StartTimeoutTest {
    /** A sound guest is up in a quarter of this, on a host that is not busy. */
    private static final Duration START_TIMEOUT = Duration.ofSeconds(25);

    @Test
    public void aMachineImageThatDoesNotComeUpIsSetAsideAndTheJobRunsOnTheBase() throws Exception {
        try (TinyFarm farm = new TinyFarm(
                "128M", FleetTimings.builder().startTimeout(START_TIMEOUT).build())) {
            Path image = farm.machineImage();
            Files.createDirectories(image.getParent());
            byte[] unbootable = new byte[1 << 20];
            Files.write(image, unbootable);

            JobId job = farm.queue("survives", "true");
            assertThat(farm.outcome(job).disk()).isEqualTo(MachineOutcome.Disk.DISCARDED);
            assertThat(farm.gitHub().job(job).conclusion()).isEqualTo(Optional.of("success"));

            assertThat(image).doesNotExist();
            assertThat(image.resolveSibling("build.img.broken")).hasBinaryContent(unbootable);
            // The first might have been late for another reason.
            assertThat(farm.machines()).hasSize(3);
            assertThat(farm.machines()).extracting(MachineSnapshot::reason).anySatisfy(reason -> assertThat(reason)
                    .contains("did not come online within"));
            Eventually.holds("no runner is left", START_TIMEOUT, () -> farm.gitHub()
                    .runners()
                    .isEmpty());
        }
    }
}
