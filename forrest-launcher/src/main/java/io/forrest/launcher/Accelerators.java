package io.forrest.launcher;

import io.forrest.config.HostConfig;
import io.forrest.config.RetentionConfig;
import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Finds out how QEMU can run guests here, for commands that bring their own configuration. */
public final class Accelerators {
    /**
     * A value of {@code host.qemu.accelerator} that works here.
     *
     * @param because why it is not KVM
     */
    public record Choice(String name, Optional<String> because) {}

    private Accelerators() {}

    /** KVM where it works, else TCG. Blocks for seconds. Throws with what is wrong if neither works. */
    public static Choice choose() throws IOException {
        List<HostProblem> withKvm = problems("kvm");
        if (withKvm.isEmpty()) {
            return new Choice("kvm", Optional.empty());
        }
        List<HostProblem> withTcg = problems("tcg");
        if (!withTcg.isEmpty()) {
            throw new IOException(words(withTcg));
        }
        return new Choice("tcg", Optional.of(words(withKvm)));
    }

    private static List<HostProblem> problems(String accelerator) {
        HostConfig host = new HostConfig(
                Path.of("/"),
                DataSize.ZERO,
                DataSize.ZERO,
                Optional.empty(),
                "qemu",
                Map.of("accelerator", accelerator),
                HostConfig.DEFAULT_RUNNER,
                RetentionConfig.DEFAULT);
        try (Hypervisor hypervisor = Hypervisors.create(host)) {
            return hypervisor.checkHost();
        }
    }

    private static String words(List<HostProblem> problems) {
        return problems.stream().map(HostProblem::what).collect(Collectors.joining(" "));
    }
}
