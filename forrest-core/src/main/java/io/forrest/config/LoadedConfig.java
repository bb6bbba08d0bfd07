package io.forrest.config;

import java.util.Objects;
import java.util.OptionalInt;

/** A configuration, and the document that it was read from. */
public record LoadedConfig(ForrestConfig config, ConfigDocument document) {
    public LoadedConfig {
        Objects.requireNonNull(config);
        Objects.requireNonNull(document);
    }

    /** The line of a path, see {@link ConfigDocument#line}. */
    public OptionalInt line(String path) {
        return document.line(path);
    }
}
