package io.forrest.spi;

import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import java.nio.file.Path;
import java.util.List;

/**
 * Keeps machine images and makes machines' disks of them. Thread-safe.
 *
 * <p>A disk is a raw file at the path the caller names, below the store's base directory. A machine image changes only
 * by {@link #promote} and {@link #quarantine}, and whoever clones meanwhile gets all of the old or all of the new one.
 */
public interface ImageStore {
    /** Everything that would keep disks from being made or promoted on this host; empty if all is well. May block. */
    List<HostProblem> checkHost();

    /**
     * Everything that would keep disks from being made of {@code image}, a base image that a configuration names; empty
     * if all is well. {@link HostProblem#where} is the image. May block.
     */
    List<HostProblem> checkBaseImage(Path image);

    /**
     * Makes {@code disk} a private copy of the image that the request's policy selects, without copying its data, and
     * grows it to the size asked for. On failure {@code disk} is not there.
     *
     * @param disk absolute; its directory exists, the file does not
     * @throws PluginException {@code RETRY_LATER} if the selected image is not there (yet), {@code REJECTED} if it can
     *     never be used (empty, not a plain file, on another file system), {@code BROKEN} on I/O errors
     */
    DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException;

    /**
     * Makes {@code disk} the machine image of {@code type}, atomically and durably; afterwards {@code disk} is gone. On
     * failure the old machine image is as it was and {@code disk} still there.
     *
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    void promote(MachineTypeId type, Path disk) throws PluginException;

    /**
     * Sets the machine image of {@code type} aside, so that the next disk starts from the base again. Does nothing when
     * there is none, or another than at the time of {@code origin}: a new one that was promoted meanwhile is not to blame.
     * The image is kept for people to look at; one set aside earlier may be replaced.
     *
     * @param origin what a disk was made of that turned out to be broken
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    void quarantine(MachineTypeId type, DiskOrigin origin) throws PluginException;
}
