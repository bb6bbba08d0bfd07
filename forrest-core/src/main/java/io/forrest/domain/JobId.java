package io.forrest.domain;

/** GitHub's number of a workflow job; unique over all repositories of one GitHub. */
public record JobId(long value) {
    @Override
    public String toString() {
        return Long.toString(value);
    }
}
