package io.forrest.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.LauncherProcess;
import io.forrest.testing.HostNeeds;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.testng.annotations.Test;

public class ArtifactBenchTest {
    /** That it measures, not what: a time that is asserted fails on a busy host. */
    @Test(groups = "nginx")
    public void artifactsPrintsItsFiguresAsOneLineOfJsonAndLeavesNothing() throws Exception {
        HostNeeds.program("nginx");
        Path directory = Files.createTempDirectory("bench");
        Path work = Files.createDirectory(directory.resolve("work"));
        try (LauncherProcess bench = new LauncherProcess(
                directory,
                Map.of(),
                "bench",
                "artifacts",
                work.toString(),
                "--json",
                "--size",
                "4M",
                "--rounds",
                "1")) {
            assertThat(bench.exitCode(Duration.ofMinutes(3))).as(bench.output()).isZero();
            assertThat(bench.output().strip())
                    .matches(
                            "\\{\"bytes\":4194304,\"n\":1,\"nginx_mib_s\":[0-9]+,\"direct_mib_s\":[0-9]+,"
                                    + "\"webdav_synced_mib_s\":[0-9]+,\"webdav_mib_s\":[0-9]+,\"ratio_nginx\":[0-9.]+,\"ratio_direct\":[0-9.]+}");
        }
        assertThat(work).isEmptyDirectory();
    }
}
