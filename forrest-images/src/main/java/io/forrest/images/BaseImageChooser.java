package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Optional;

/** Decides which image a new disk is cloned from. */
final class BaseImageChooser {
    private final ImagePaths paths;

    BaseImageChooser(ImagePaths paths) {
        this.paths = paths;
    }

    /**
     * The image that the request's policy selects.
     *
     * @param type whose machine image it is; empty for a plain base image
     */
    record Choice(Path image, Optional<MachineTypeId> type, boolean own) {}

    /**
     * The image that the request's policy selects; it was there a moment ago.
     *
     * @throws PluginException {@code RETRY_LATER} if there is none
     */
    Choice choose(DiskRequest request) throws PluginException, IOException {
        Choice own = new Choice(paths.image(request.type()), Optional.of(request.type()), true);
        Optional<Choice> base = request.baseMachine()
                .map(type -> new Choice(paths.image(type), Optional.of(type), false))
                .or(() -> request.baseImage().map(image -> new Choice(image, Optional.empty(), false)));
        boolean haveOwn = Files.exists(own.image());
        if (base.isEmpty() || request.useBase() == UseBase.NEVER) {
            if (!haveOwn) {
                throw missing(request.type() + " has no machine image " + own.image() + " yet, and "
                        + (base.isEmpty() ? "neither base_machine nor base_image." : "use_base: never."));
            }
            return own;
        }
        Path baseImage = base.get().image();
        boolean haveBase = Files.exists(baseImage);
        if (request.useBase() == UseBase.IF_NEWER && haveOwn && !(haveBase && isNewer(baseImage, own.image()))) {
            return own;
        }
        if (!haveBase) {
            throw missing(request.baseMachine()
                    .map(type -> "the base " + type + " of " + request.type() + " has no machine image yet ("
                            + baseImage + "); a job has to persist one")
                    .orElse("the base_image " + baseImage + " of " + request.type() + " does not exist"));
        }
        return base.get();
    }

    /**
     * Tells a plain base image from any other that was or will be at its place: numbers of files are used again, but not
     * within the same nanosecond.
     */
    static String version(Path image) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(image, BasicFileAttributes.class);
        return attributes.fileKey() + "@" + attributes.lastModifiedTime();
    }

    private static boolean isNewer(Path base, Path own) throws IOException {
        FileTime baseTime = Files.getLastModifiedTime(base);
        return baseTime.compareTo(Files.getLastModifiedTime(own)) > 0;
    }

    private static PluginException missing(String message) {
        return new PluginException(PluginException.Kind.RETRY_LATER, message);
    }
}
