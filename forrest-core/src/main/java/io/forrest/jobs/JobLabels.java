package io.forrest.jobs;

import io.forrest.domain.MachineTypeId;
import java.util.List;
import java.util.Optional;

/** How a job's {@code runs-on} names a machine type: exactly {@code [self-hosted, forrest, <type>]}. */
public final class JobLabels {
    private static final String SELF_HOSTED = "self-hosted";
    private static final String FORREST = "forrest";

    private JobLabels() {}

    /**
     * The machine type asked for, or empty if the labels are not meant for Forrest, or no machine type can have that name:
     * whoever opens a pull request chooses labels, line breaks and all. GitHub ignores case in labels.
     */
    public static Optional<String> machineType(List<String> labels) {
        return labels.size() == 3
                        && SELF_HOSTED.equalsIgnoreCase(labels.get(0))
                        && FORREST.equalsIgnoreCase(labels.get(1))
                        && MachineTypeId.isTypeName(labels.get(2))
                ? Optional.of(labels.get(2))
                : Optional.empty();
    }

    /** The labels of a runner for {@code machineType}, so that GitHub gives it the jobs that ask for that type. */
    public static List<String> of(String machineType) {
        return List.of(SELF_HOSTED, FORREST, machineType);
    }
}
