package io.forrest.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.LauncherProcess;
import io.forrest.testing.HostNeeds;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.testng.annotations.Test;

public class DispatchBenchTest {
    /** That it measures, not what: a time that is asserted fails on a busy host. */
    @Test(groups = {"qemu", "loop"})
    public void dispatchPrintsItsFiguresAsOneLineOfJson() throws Exception {
        HostNeeds.program("qemu-system-x86_64");
        HostNeeds.program("mkfs.xfs");
        HostNeeds.root();
        try (LauncherProcess bench = new LauncherProcess(
                Files.createTempDirectory("bench"), Map.of(), "bench", "dispatch", "--json", "--rounds", "3")) {
            assertThat(bench.exitCode(Duration.ofMinutes(3))).as(bench.output()).isZero();
            assertThat(bench.output().strip()).matches("\\{\"p50_ms\":[0-9.]+,\"p99_ms\":[0-9.]+,\"n\":3}");
        }
    }

    @Test
    public void aPercentileIsTheNearestFigureThatSoManyDoNotExceed() {
        Percentiles figures = new Percentiles(List.of(5.0, 1.0, 4.0, 2.0, 3.0));
        assertThat(figures.percentile(50)).isEqualTo(3.0);
        assertThat(figures.percentile(99)).isEqualTo(5.0);
        assertThat(figures.percentile(1)).isEqualTo(1.0);
        assertThat(figures.count()).isEqualTo(5);
    }
}
