package io.forrest.images;

import io.forrest.domain.UseBase;
import io.forrest.spi.DiskOrigin;
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
     * The image that the request's policy selects; it was there a moment ago.
     *
     * @throws PluginException {@code RETRY_LATER} if there is none
     */
    DiskOrigin choose(DiskRequest request) throws PluginException, IOException {
        Path own = paths.image(request.type());
        Optional<Path> base = request.baseMachine().map(paths::image).or(request::baseImage);
        boolean haveOwn = Files.exists(own);
        if (base.isEmpty() || request.useBase() == UseBase.NEVER) {
            if (!haveOwn) {
                throw missing(request.type() + " has no machine image " + own + " yet, and "
                        + (base.isEmpty() ? "neither base_machine nor base_image." : "use_base: never."));
            }
            return new DiskOrigin(own, true, version(own));
        }
        boolean haveBase = Files.exists(base.get());
        if (request.useBase() == UseBase.IF_NEWER && haveOwn && !(haveBase && isNewer(base.get(), own))) {
            return new DiskOrigin(own, true, version(own));
        }
        if (!haveBase) {
            throw missing(request.baseMachine()
                    .map(type -> "the base " + type + " of " + request.type() + " has no machine image yet ("
                            + base.get() + "); a job has to persist one")
                    .orElse("the base_image " + base.get() + " of " + request.type() + " does not exist"));
        }
        return new DiskOrigin(base.get(), false, version(base.get()));
    }

    /**
     * Tells this file from any other that was or will be at its place: numbers of files are used again, but not within the
     * same nanosecond. If it is replaced before it is cloned, this is the older one's; nobody sets aside the newer for it.
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
