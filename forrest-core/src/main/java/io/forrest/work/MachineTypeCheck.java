package io.forrest.work;

import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import io.forrest.spi.ImageStore;
import java.util.ArrayList;
import java.util.List;

/** Looks ahead at the files that a machine type's first machine would need. */
public final class MachineTypeCheck {
    private MachineTypeCheck() {}

    /** As the other {@code check}, for every machine type of a configuration. */
    public static List<HostProblem> check(ForrestConfig config, ImageStore images) {
        return config.repositories().values().stream()
                .flatMap(repository -> repository.machines().values().stream())
                .flatMap(type -> check(type, images).stream())
                .toList();
    }

    /**
     * What would keep machines of {@code type} from starting; empty if all is well. {@link HostProblem#where} is the
     * configuration's path. Reads files.
     */
    public static List<HostProblem> check(MachineType type, ImageStore images) {
        List<HostProblem> problems = new ArrayList<>(GuestFiles.check(type));
        // With a base machine, the base image is never used.
        if (type.baseMachine().isEmpty() && type.baseImage().isPresent()) {
            for (HostProblem problem : images.checkBaseImage(type.baseImage().get())) {
                problems.add(new HostProblem(
                        type.configPath() + ".base_image", problem.where() + " " + problem.what(), problem.remedy()));
            }
        }
        return problems;
    }
}
