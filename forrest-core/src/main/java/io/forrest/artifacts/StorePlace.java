package io.forrest.artifacts;

import io.forrest.domain.MachineId;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Where a machine's uploads go.
 *
 * @param trusted what the configuration names, up to the machine's name; absolute
 * @param steps from there on, where whoever may write into the store could put links
 */
record StorePlace(Path trusted, List<String> steps) {
    private static final String RUNNER_NAME = "<RUNNER_NAME>";

    StorePlace {
        steps = List.copyOf(steps);
    }

    static String fillIn(String pattern, MachineId machine) {
        return pattern.replace(RUNNER_NAME, machine.runnerName());
    }

    static StorePlace of(String pattern, MachineId machine) {
        int placeholder = pattern.indexOf(RUNNER_NAME);
        int last = placeholder < 0 ? pattern.length() : pattern.lastIndexOf('/', placeholder) + 1;
        List<String> steps = steps(fillIn(pattern.substring(last), machine)).toList();
        if (steps.contains("..")) {
            return new StorePlace(Path.of(fillIn(pattern, machine)).toAbsolutePath(), List.of());
        }
        return new StorePlace(Path.of(pattern.substring(0, last)).toAbsolutePath(), steps);
    }

    private static Stream<String> steps(String path) {
        return Stream.of(path.split("/", -1)).filter(step -> !step.isEmpty() && !step.equals("."));
    }

    StorePlace below(List<String> further) {
        return new StorePlace(
                trusted, Stream.concat(steps.stream(), further.stream()).toList());
    }
}
