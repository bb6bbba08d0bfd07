package io.forrest.vm.qemu;

import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import java.util.List;
import java.util.Map;

/**
 * The hypervisor {@code qemu}. Its settings: {@code accelerator} ({@code kvm}, the default, or {@code tcg}),
 * {@code binary} (default {@code qemu-system-x86_64}) and {@code swtpm} (default {@code swtpm}).
 */
public final class QemuHypervisorFactory implements HypervisorFactory {
    @Override
    public String name() {
        return "qemu";
    }

    @Override
    public List<HostProblem> checkSettings(Map<String, String> settings) {
        return QemuSettings.check(settings);
    }

    @Override
    public Hypervisor create(Map<String, String> settings) {
        return new QemuHypervisor(QemuSettings.of(settings), new SystemdScope());
    }
}
