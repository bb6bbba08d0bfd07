package io.forrest.artifacts;

import java.util.Objects;

/** Why an upload is refused, in words that its uploader, who may be a stranger, can be told. */
public final class ArtifactException extends Exception {
    private static final long serialVersionUID = 1;

    private final Kind kind;

    /** What is in the way. */
    public enum Kind {
        /** Nothing can ever be stored by this name. */
        BAD_PATH,
        /** Nobody has this run token, or his machine has no such store, or it takes another token than this one. */
        UNKNOWN,
        /** The machine has uploaded as much as it may. */
        QUOTA,
        /** Too many uploads at the same time; later it may work. */
        BUSY,
        /** The host could not store it, e.g. for lack of space. */
        FAILED
    }

    /** {@code message} says nothing of where things are on this host. */
    public ArtifactException(Kind kind, String message) {
        super(message);
        this.kind = Objects.requireNonNull(kind);
    }

    /** As above, with what the host's owner may know of the cause. */
    public ArtifactException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = Objects.requireNonNull(kind);
    }

    public Kind kind() {
        return kind;
    }
}
