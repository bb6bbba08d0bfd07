package io.forrest.images;

/** What somebody asked for cannot be, for a reason that is no failure; the message says which, and what to do. */
final class RefusedException extends Exception {
    RefusedException(String message) {
        super(message);
    }
}
