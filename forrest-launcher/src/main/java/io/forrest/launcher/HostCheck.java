package io.forrest.launcher;

import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.HostProblem;
import io.forrest.github.GitHubConnection;
import io.forrest.images.ReflinkImageStore;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.work.MachineTypeCheck;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;

/** Holds a configuration against this host, without a daemon. */
final class HostCheck {
    private HostCheck() {}

    /** Everything here that would keep machines from running; empty if all is well. Blocks for seconds. */
    static List<HostProblem> problems(ForrestConfig config) {
        ImageStore images = new ReflinkImageStore(config.host().baseDirectory());
        List<HostProblem> problems = new ArrayList<>();
        for (HostProblem problem : images.checkHost()) {
            problems.add(new HostProblem("host.base_dir", problem.where() + " " + problem.what(), problem.remedy()));
        }
        try (Hypervisor hypervisor = Hypervisors.create(config.host())) {
            problems.addAll(hypervisor.checkHost());
        }
        try {
            new GitHubConnection(config.github(), Clock.systemUTC());
        } catch (PluginException e) {
            problems.add(new HostProblem("github.jwt_key_file", e.getMessage(), "Until then nothing works."));
        }
        for (RepositoryConfig repository : config.repositories().values()) {
            for (MachineType type : repository.machines().values()) {
                problems.addAll(MachineTypeCheck.check(type, images));
            }
        }
        return problems;
    }
}
