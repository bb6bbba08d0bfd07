package io.forrest.domain;

import java.util.Objects;

/**
 * Something about this host or its configuration that keeps a part of Forrest from working.
 *
 * @param where the file, directory, device or configuration path, as the operator would name it
 * @param what what is wrong there
 * @param remedy what to do about it
 */
public record HostProblem(String where, String what, String remedy) {
    public HostProblem {
        Objects.requireNonNull(where);
        Objects.requireNonNull(what);
        Objects.requireNonNull(remedy);
    }

    @Override
    public String toString() {
        return where + ": " + what + " " + remedy;
    }
}
