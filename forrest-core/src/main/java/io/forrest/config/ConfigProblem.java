package io.forrest.config;

import java.util.Objects;
import java.util.OptionalInt;

/**
 * Something that is wrong in a configuration.
 *
 * @param line counted from 1; empty if it concerns the file as a whole
 * @param path the key, e.g. {@code repositories.acme.firmware.machines.build.ram}; empty if it concerns none
 * @param what what is wrong there, a sentence
 * @param remedy what to do about it, a sentence; empty if {@code what} leaves no choice
 */
public record ConfigProblem(OptionalInt line, String path, String what, String remedy) {
    public ConfigProblem {
        Objects.requireNonNull(line);
        Objects.requireNonNull(path);
        Objects.requireNonNull(what);
        Objects.requireNonNull(remedy);
    }

    /** Both sentences. */
    String sentences() {
        return remedy.isEmpty() ? what : what + " " + remedy;
    }
}
