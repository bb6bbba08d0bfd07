package io.forrest.launcher.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.LauncherProcess;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** The chaos suite as users start it: everything fails. */
@Test(groups = {"qemu", "loop"})
public class ChaosTest {
    private static final Duration PATIENCE = Duration.ofMinutes(20);

    private Path directory;

    @BeforeMethod
    public void prepare() throws IOException {
        for (String program : List.of(
                "qemu-system-x86_64", "busybox", "cpio", "mcopy", "syslinux", "mkfs.xfs", "fsck.vfat", "fallocate")) {
            HostNeeds.program(program);
        }
        HostNeeds.root();
        directory = Files.createTempDirectory(Path.of("/var/tmp"), "chaos");
    }

    /** After a failure it stays, for a look. */
    @AfterMethod
    public void cleanUp() throws IOException {
        if (directory != null && entries().isEmpty()) {
            Files.delete(directory);
        }
    }

    private List<Path> entries() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList();
        }
    }

    @Test
    public void nothingIsLostWhenTheDaemonIsKilledTwentyTimesAndAllElseFails() throws Exception {
        try (LauncherProcess chaos = new LauncherProcess(
                Files.createTempDirectory("chaos"),
                Map.of(),
                "chaos",
                "--seed",
                "20",
                "--kills",
                "20",
                directory.toString())) {
            assertThat(chaos.exitCode(PATIENCE)).as(chaos.output()).isZero();
            assertThat(chaos.output().lines().filter(line -> line.startsWith("ok    ")))
                    .as(chaos.output())
                    .hasSize(10);
            // With GitHub failing, a slow host may come to a few steps too late.
            assertThat(chaos.output()).containsPattern("killed at 1[4-8] of 18 steps");
        }
        assertThat(entries()).isEmpty();
    }
}
