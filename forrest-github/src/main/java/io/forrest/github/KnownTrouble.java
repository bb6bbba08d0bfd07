package io.forrest.github;

import io.forrest.spi.PluginException;

/** A request that failed, or was not even made, for a reason that the log tells already: nobody need say it again. */
final class KnownTrouble extends PluginException {
    KnownTrouble(Kind kind, String message) {
        super(kind, message);
    }

    KnownTrouble(PluginException failure) {
        super(failure.kind(), failure.getMessage(), failure);
    }

    /** Whether this is at the root of {@code failure}. */
    static boolean isAtRootOf(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof KnownTrouble) {
                return true;
            }
        }
        return false;
    }
}
