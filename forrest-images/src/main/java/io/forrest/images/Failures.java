package io.forrest.images;

import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.List;

/** Says what went wrong with files, and whether it is only that there is no space. */
final class Failures {
    private static final List<Integer> NO_SPACE = List.of(LibC.ENOSPC, LibC.EDQUOT);

    private Failures() {}

    @FunctionalInterface
    interface Work<T> {
        T run() throws IOException, RefusedException;
    }

    static <T> T translating(String what, Work<T> work) throws PluginException {
        try {
            return work.run();
        } catch (RefusedException e) {
            throw new PluginException(PluginException.Kind.REJECTED, e.getMessage(), e);
        } catch (IOException e) {
            throw failed(what, e);
        }
    }

    /** {@code RETRY_LATER} if there is no space, else {@code BROKEN}. */
    static PluginException failed(String what, IOException cause) {
        PluginException.Kind kind = isNoSpace(cause) ? PluginException.Kind.RETRY_LATER : PluginException.Kind.BROKEN;
        return new PluginException(kind, what + ": " + spoken(cause), cause);
    }

    /** The JDK's message of a missing file is its name alone. */
    private static String spoken(IOException cause) {
        boolean tells =
                cause.getMessage() != null && !(cause instanceof FileSystemException e && e.getReason() == null);
        return tells ? cause.getMessage() : cause.toString();
    }

    /** The JDK hands the error's text on, but not its number. */
    static boolean isNoSpace(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage());
            if (NO_SPACE.stream()
                    .anyMatch(errno -> message.contains(LibC.calls().strerror(errno)))) {
                return true;
            }
        }
        return false;
    }
}
