package io.forrest.work;

import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorCapability;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import java.util.ArrayList;
import java.util.List;

/** Looks ahead at the files that a machine type's first machine would need. */
public final class MachineTypeCheck {
    private MachineTypeCheck() {}

    /** As the other {@code check}, for every machine type of a configuration. */
    public static List<HostProblem> check(ForrestConfig config, ImageStore images, Hypervisor hypervisor) {
        return config.repositories().values().stream()
                .flatMap(repository -> repository.machines().values().stream())
                .flatMap(type -> check(type, images, hypervisor).stream())
                .toList();
    }

    /**
     * What would keep machines of {@code type} from starting; empty if all is well. {@link HostProblem#where} is the
     * configuration's path. Reads files.
     */
    public static List<HostProblem> check(MachineType type, ImageStore images, Hypervisor hypervisor) {
        List<HostProblem> problems = new ArrayList<>(GuestFiles.check(type));
        // With a base machine, the base image is never used.
        if (type.baseMachine().isEmpty() && type.baseImage().isPresent()) {
            for (HostProblem problem : images.checkBaseImage(type.baseImage().get())) {
                problems.add(new HostProblem(
                        type.configPath() + ".base_image", problem.where() + " " + problem.what(), problem.remedy()));
            }
        }
        if (!type.shared().isEmpty()) {
            problems.addAll(lacking(type, "shared", HypervisorCapability.SHARED_DIRECTORIES, hypervisor));
        }
        if (!type.networkInterfaces().isEmpty()) {
            problems.addAll(
                    lacking(type, "network_interfaces", HypervisorCapability.EXTRA_NETWORK_INTERFACES, hypervisor));
        }
        try {
            if (images.hasTpmState(type.id())) {
                problems.addAll(lacking(type, "the state of its TPM", HypervisorCapability.TPM, hypervisor));
            }
        } catch (PluginException e) {
            problems.add(new HostProblem(type.configPath(), "Whether it has a TPM cannot be told:", e.getMessage()));
        }
        return problems;
    }

    private static List<HostProblem> lacking(
            MachineType type, String what, HypervisorCapability capability, Hypervisor hypervisor) {
        return hypervisor.checkHostFor(capability).stream()
                .map(problem -> new HostProblem(
                        type.configPath(),
                        "has " + what + ", but: " + problem.where() + ": " + problem.what(),
                        problem.remedy()))
                .toList();
    }
}
