package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.time.Instant;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class MachineTableTest {
    @Test
    public void eachMachineHasALineAndColumnsAreAsWideAsNeedBe() throws Exception {
        String machines =
                """
                [{"id": "forrest-build-hZ3mC0aVbPq1xY7k", "type": "acme/firmware/build", "state": "running",
                  "since": "2026-01-01T11:56:00Z", "ram_bytes": 34359738368, "job": 4711, "reason": "has job 4711"},
                 {"id": "forrest-yocto-8Zq0sV1nKd2LmP4t", "type": "acme/firmware/yocto", "state": "requested",
                  "since": "2026-01-01T12:00:00Z", "ram_bytes": 1073741824, "reason": "waits for 1G of RAM"}]
                """;
        assertThat(MachineTable.of(new ObjectMapper().readTree(machines), Instant.parse("2026-01-01T12:00:07Z")))
                .isEqualTo(
                        """
                        MACHINE                         TYPE                 STATE      FOR   RAM  JOB   WHY
                        forrest-build-hZ3mC0aVbPq1xY7k  acme/firmware/build  running    4m7s  32G  4711  has job 4711
                        forrest-yocto-8Zq0sV1nKd2LmP4t  acme/firmware/yocto  requested  7s    1G   -     waits for 1G of RAM
                        """);
    }

    @DataProvider
    public Object[][] durations() {
        return new Object[][] {
            {Duration.ofSeconds(-1), "0s"},
            {Duration.ofSeconds(59), "59s"},
            {Duration.ofSeconds(60), "1m0s"},
            {Duration.ofSeconds(3599), "59m59s"},
            {Duration.ofSeconds(3600 + 120), "1h2m"},
            {Duration.ofHours(25), "1d1h"},
        };
    }

    @Test(dataProvider = "durations")
    public void aDurationIsToldInItsTwoLargestUnits(Duration duration, String words) {
        assertThat(MachineTable.words(duration)).isEqualTo(words);
    }
}
