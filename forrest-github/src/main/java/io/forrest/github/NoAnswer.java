package io.forrest.github;

import io.forrest.spi.PluginException;

/** GitHub did not answer, or not in full: whether it carried out the request is not known. */
final class NoAnswer extends PluginException {
    NoAnswer(String message) {
        super(Kind.RETRY_LATER, message);
    }

    NoAnswer(String message, Throwable cause) {
        super(Kind.RETRY_LATER, message, cause);
    }
}
