package io.forrest.spi;

import io.forrest.domain.HostProblem;
import java.util.List;
import java.util.Map;

/**
 * Makes the hypervisor that {@code host.hypervisor} names from the settings below {@code host.<name>}. Found by
 * {@link java.util.ServiceLoader}.
 */
public interface HypervisorFactory {
    /** The value of {@code host.hypervisor} that selects it, e.g. {@code qemu}. */
    String name();

    /**
     * Every problem of the settings, unknown keys included; {@link HostProblem#where} is the key. Touches nothing of
     * the host.
     */
    List<HostProblem> checkSettings(Map<String, String> settings);

    /** Makes it; cheap, starts nothing. Throws {@link IllegalArgumentException} if {@link #checkSettings} complains. */
    Hypervisor create(Map<String, String> settings);
}
