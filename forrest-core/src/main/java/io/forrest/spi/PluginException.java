package io.forrest.spi;

import java.util.Objects;

/** A part of Forrest could not do what it was asked; the {@link Kind} says whether asking again can help. */
public class PluginException extends Exception {
    /** What the caller may do about it. */
    public enum Kind {
        /** Not now: an outage, a limit, something not there yet. The same call may work later. */
        RETRY_LATER,
        /** The other side understood and said no. The same call is refused again until somebody changes something. */
        REJECTED,
        /** The host or the installation is at fault: a missing program, no permission, a full or broken disk. */
        BROKEN
    }

    private final Kind kind;

    /** {@code message} is one line for the operator: where, what, and what to do. */
    public PluginException(Kind kind, String message) {
        super(spoken(message));
        this.kind = Objects.requireNonNull(kind);
    }

    public PluginException(Kind kind, String message, Throwable cause) {
        super(spoken(message), cause);
        this.kind = Objects.requireNonNull(kind);
    }

    /** The message is often that of another exception, which may have none; operators are told something all the same. */
    private static String spoken(String message) {
        return Objects.requireNonNullElse(message, "no reason was given");
    }

    public Kind kind() {
        return kind;
    }
}
