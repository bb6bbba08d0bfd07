package io.forrest.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.testng.annotations.Test;

public class FleetTimingsTest {
    @Test
    public void theWaitDoublesUpToItsLimitAndStaysThereForEver() {
        FleetTimings.Retry retry = FleetTimings.DEFAULT.startRetry();
        assertThat(retry.after(1)).isEqualTo(Duration.ofSeconds(2));
        assertThat(retry.after(3)).isEqualTo(Duration.ofSeconds(8));
        assertThat(retry.after(9)).isEqualTo(Duration.ofMinutes(5));
        assertThat(retry.after(Integer.MAX_VALUE)).isEqualTo(Duration.ofMinutes(5));
    }
}
