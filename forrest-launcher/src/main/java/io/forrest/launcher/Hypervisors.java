package io.forrest.launcher;

import io.forrest.config.HostConfig;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import java.util.List;
import java.util.ServiceLoader;

/** The hypervisors that are on the class path: QEMU, and what plugins bring. */
public final class Hypervisors {
    private Hypervisors() {}

    public static List<HypervisorFactory> all() {
        return ServiceLoader.load(HypervisorFactory.class).stream()
                .map(ServiceLoader.Provider::get)
                .toList();
    }

    /** The one that a checked configuration names. */
    public static Hypervisor create(HostConfig host) {
        return all().stream()
                .filter(factory -> factory.name().equals(host.hypervisor()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no hypervisor " + host.hypervisor()))
                .create(host.hypervisorSettings());
    }
}
