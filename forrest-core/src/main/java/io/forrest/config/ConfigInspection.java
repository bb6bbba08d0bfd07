package io.forrest.config;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What can be said of a configuration file.
 *
 * @param problems all of them, by line
 * @param document its tree; empty if it is no YAML, or too much of it
 * @param host its section {@code host}, which says what can be asked of the host even if the rest is broken; empty if
 *     that section has problems of its own
 * @param config the model; empty if there are problems
 */
public record ConfigInspection(
        List<ConfigProblem> problems,
        Optional<ConfigDocument> document,
        Optional<HostConfig> host,
        Optional<ForrestConfig> config) {
    public ConfigInspection {
        problems = List.copyOf(problems);
        Objects.requireNonNull(document);
        Objects.requireNonNull(host);
        Objects.requireNonNull(config);
    }

    /** The line of a path, see {@link ConfigDocument#line}. */
    public OptionalInt line(String path) {
        return document.map(tree -> tree.line(path)).orElse(OptionalInt.empty());
    }
}
