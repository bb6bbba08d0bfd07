package io.forrest.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.LauncherProcess;
import io.forrest.testing.HostNeeds;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Map;
import org.testng.annotations.Test;

public class CloneBenchTest {
    /** That it measures; what, only where the difference is so large that no busy host hides it. */
    @Test(groups = "loop")
    public void aRepackedImageIsQuickerToCloneThanAFragmentedOne() throws Exception {
        HostNeeds.program("mkfs.xfs");
        HostNeeds.root();
        try (LauncherProcess bench = new LauncherProcess(
                Files.createTempDirectory("bench"), Map.of(), "bench", "clone", "--json", "--extents", "1,10000")) {
            assertThat(bench.exitCode(Duration.ofMinutes(3))).as(bench.output()).isZero();
            String[] lines = bench.output().strip().split("\\n", -1);
            assertThat(lines)
                    .hasSize(2)
                    .allSatisfy(
                            line -> assertThat(line)
                                    .matches(
                                            "\\{\"extents\":[0-9]+,\"fragmented_ms\":[0-9.]+,\"repacked_ms\":[0-9.]+,\"ratio\":[0-9.]+}"));
            assertThat(Double.parseDouble(lines[1].replaceAll(".*\"ratio\":|}", "")))
                    .isGreaterThan(3);
        }
    }
}
