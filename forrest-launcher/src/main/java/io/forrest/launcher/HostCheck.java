package io.forrest.launcher;

import io.forrest.config.ForrestConfig;
import io.forrest.config.HostConfig;
import io.forrest.domain.HostProblem;
import io.forrest.images.ReflinkImageStore;
import io.forrest.spi.Hypervisor;
import io.forrest.work.MachineTypeCheck;
import java.util.ArrayList;
import java.util.List;

/** Holds a configuration against this host, without a daemon. */
final class HostCheck {
    private HostCheck() {}

    /** What would keep any machine from running here; empty if all is well. Blocks for seconds. */
    static List<HostProblem> ofHost(HostConfig host) {
        List<HostProblem> problems = new ArrayList<>();
        for (HostProblem problem : new ReflinkImageStore(host.baseDirectory()).checkHost()) {
            problems.add(new HostProblem("host.base_dir", problem.where() + " " + problem.what(), problem.remedy()));
        }
        try (Hypervisor hypervisor = Hypervisors.create(host)) {
            problems.addAll(hypervisor.checkHost());
        }
        return problems;
    }

    /** What would keep machines of single types from running. */
    static List<HostProblem> ofMachineTypes(ForrestConfig config) {
        try (Hypervisor hypervisor = Hypervisors.create(config.host())) {
            return MachineTypeCheck.check(
                    config, new ReflinkImageStore(config.host().baseDirectory()), hypervisor);
        }
    }
}
