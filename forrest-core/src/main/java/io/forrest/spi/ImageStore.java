package io.forrest.spi;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Keeps machine images and makes machines' disks of them. Thread-safe.
 *
 * <p>A disk is a raw file at the path the caller names, below the store's base directory. A machine image changes only
 * by {@link #promote}, {@link #setAside}, {@link #reinstate} and the hands of people, and whoever clones meanwhile gets all of the old or all of the new one.
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
     * Whether machines of {@code type} have a TPM: whether somebody has put a state of one beside the machine image.
     *
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    boolean hasTpmState(MachineTypeId type) throws PluginException;

    /**
     * Makes {@code copy} a private copy of the state that the TPM of each machine of {@code type} starts with, readable by
     * nobody else. Nothing is ever copied back. Does nothing if there is none. On failure {@code copy} is not there.
     *
     * @param copy absolute; its directory exists, the file does not
     * @return whether there is a state
     * @throws PluginException {@code REJECTED} if the state is not a plain file, {@code BROKEN} on I/O errors
     */
    boolean createTpmState(MachineTypeId type, Path copy) throws PluginException;

    /**
     * Makes {@code disk} the machine image of {@code type}, atomically and durably; afterwards {@code disk} is gone. The
     * images before stay as generations that can be gone back to.
     *
     * <p>Safe to be called again with the same provenance after a crash in the middle of it, or after a failure: it goes
     * on where it stopped, and does nothing if all was done, whether or not {@code disk} is still there. On failure the
     * machine image is the old or the new one, and all of the disk is there, as {@code disk} or as a generation.
     *
     * @throws PluginException {@code RETRY_LATER} if there is no space, {@code BROKEN} on other I/O errors
     */
    void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException;

    /**
     * Takes note that a machine whose disk was made of {@code origin} came up, so that it is never to blame for others that
     * do not. Of a file that is no machine image there is nothing to note.
     *
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    void cameUp(DiskOrigin origin) throws PluginException;

    /**
     * Sets a machine image aside of which no machine comes up, so that disks are made of the last good generation before
     * it, or where there is none, of the base. The image of a base machine is only set aside if there is one before it: no
     * base at all is worse than a bad one. Does nothing when it is not the machine image any more, when a machine
     * ever came up of it, or when {@code origin} is no machine image. It is kept for people to look at.
     *
     * @param reason why, for people; it is kept with the image
     * @return what disks are made of now, for people, if the image was set aside
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException;

    /**
     * Takes {@link #setAside} back, because what disks were made of since does not come up either. Does nothing when there
     * is a newer machine image meanwhile.
     *
     * @return whether it is the machine image again
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    boolean reinstate(DiskOrigin origin) throws PluginException;

    /**
     * Does what the store has to do now and then: removes generations by {@code retention}, completes what a crash left
     * half done, re-packs fragmented images. May take minutes; machine images are there all the while. Not to be called
     * by two threads at a time.
     *
     * @param inUse what disks of machines that are not gone were made of
     * @throws PluginException {@code BROKEN} on I/O errors
     */
    void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException;

    /** What machines' disks and new generations can still take up. */
    DataSize freeSpace() throws PluginException;
}
