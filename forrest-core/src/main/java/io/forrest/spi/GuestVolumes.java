package io.forrest.spi;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** Writes and reads the small file systems that carry files into a guest and back. Thread-safe. */
public interface GuestVolumes {
    /**
     * Makes a new volume with these files in its root directory.
     *
     * @param volume absolute; does not exist yet, and does not on failure
     * @param label at most 11 characters, upper case
     * @param files by name; names are flat
     * @throws PluginException {@code REJECTED} if label, names or sizes do not fit, {@code BROKEN} on I/O errors
     */
    void write(Path volume, String label, Map<String, byte[]> files) throws PluginException;

    /**
     * Reads one file from the root directory of a volume that a guest had in its hands: every byte of it may be hostile.
     * Takes bounded time and memory whatever the volume holds.
     *
     * @param name compared without regard to case
     * @param maxBytes a larger file is as good as none
     * @return empty if there is no such plain file, it is larger, or the volume is damaged
     * @throws PluginException {@code BROKEN} if the host cannot read the volume at all
     */
    Optional<byte[]> read(Path volume, String name, int maxBytes) throws PluginException;
}
