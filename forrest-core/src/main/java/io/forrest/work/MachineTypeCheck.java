package io.forrest.work;

import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Looks ahead at the files that a machine type's first machine would need. */
public final class MachineTypeCheck {
    private MachineTypeCheck() {}

    /** What would keep machines of {@code type} from starting; empty if all is well. Reads files. */
    public static List<HostProblem> check(MachineType type) {
        List<HostProblem> problems = new ArrayList<>(GuestFiles.check(type));
        // With a base machine, the base image is never used.
        if (type.baseMachine().isEmpty()) {
            type.baseImage().ifPresent(image -> checkImage(type, image, problems));
        }
        return problems;
    }

    private static void checkImage(MachineType type, Path image, List<HostProblem> problems) {
        String where = "base_image of " + type.id();
        String remedy = "Put a raw disk image there, on the file system of host.base_dir.";
        try {
            if (!Files.isRegularFile(image)) {
                problems.add(new HostProblem(where, image + " does not exist or is not a plain file.", remedy));
            } else if (Files.size(image) == 0) {
                problems.add(new HostProblem(where, image + " is empty.", remedy));
            }
        } catch (IOException e) {
            problems.add(new HostProblem(where, image + " cannot be read: " + e + ".", remedy));
        }
    }
}
