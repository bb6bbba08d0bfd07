package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.HostProblem;
import java.util.Map;
import org.testng.annotations.Test;

public class QemuSettingsTest {
    @Test
    public void unknownKeysAndAcceleratorsAreProblemsThatNameTheKey() {
        assertThat(new QemuHypervisorFactory()
                        .checkSettings(Map.of("accelerator", "hvf", "binry", "x")).stream()
                                .map(HostProblem::where))
                .containsExactlyInAnyOrder("host.qemu.accelerator", "host.qemu.binry");
    }
}
