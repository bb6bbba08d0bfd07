package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.spi.PluginException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;

/**
 * Machine images and their generations, for people who look at them and change them. Thread-safe, and safe to be used
 * beside a daemon on the same base directory. Its methods may block for as long as another changes the same type's images.
 *
 * <p>Their {@link PluginException} is {@code REJECTED} if it cannot be as things are, {@code RETRY_LATER} if there is no
 * space, and {@code BROKEN} on other I/O errors.
 */
public final class ImageCatalog {
    private final StoreFiles files;

    public ImageCatalog(Path baseDirectory, Clock clock) {
        this.files = new StoreFiles(baseDirectory, clock);
    }

    /** The machine types that have a machine image or generations. Changes nothing. */
    public NavigableSet<MachineTypeId> types() throws PluginException {
        return Failures.translating("the machine images cannot be listed", files::types);
    }

    /**
     * A type's generations, the newest first; none is current if there is no machine image, or one that somebody put there
     * by hand, see {@link #isForeign}. Changes nothing.
     */
    public List<Generation> history(MachineTypeId type) throws PluginException {
        return Failures.translating("the generations of " + type + " cannot be read", () -> files.of(type)
                .history());
    }

    /**
     * Whether the machine image is none of the generations: somebody put it there or changed it in place. It becomes one
     * as soon as it is used or replaced. Changes nothing.
     */
    public boolean isForeign(MachineTypeId type) throws PluginException {
        return Failures.translating("the machine image of " + type + " cannot be read", () -> files.of(type)
                .isForeign());
    }

    /** How much data a generation has, as opposed to holes; it may share it with others. Changes nothing. */
    public DataSize allocated(Generation generation) throws PluginException {
        return Failures.translating("the data of " + generation.id() + " cannot be counted", () -> {
            try (OpenFile file = new OpenFile(generation.image())) {
                return new DataSize(file.dataBytes());
            }
        });
    }

    /**
     * Makes a generation the machine image again, and sets all newer ones aside; or a newer one that is set aside.
     *
     * @param generation its number; empty: the newest good one before the machine image
     * @param by who wants it, for people
     * @return the machine image's generation
     */
    public Generation rollBack(MachineTypeId type, Optional<Integer> generation, String by) throws PluginException {
        return changing(type, () -> files.of(type).rollBack(generation, "rolled back by " + by));
    }

    /** Keeps a generation whatever the retention says. */
    public Generation pin(MachineTypeId type, int generation) throws PluginException {
        return changing(type, () -> files.of(type).pin(generation, true));
    }

    /** Leaves a generation to the retention. */
    public Generation unpin(MachineTypeId type, int generation) throws PluginException {
        return changing(type, () -> files.of(type).pin(generation, false));
    }

    /** Removes a generation for ever; refused for the machine image's and for pinned ones. */
    public void remove(MachineTypeId type, int generation) throws PluginException {
        changing(type, () -> {
            files.of(type).remove(generation);
            return null;
        });
    }

    /**
     * Makes a raw file the newest generation of a type, and its machine image.
     *
     * @param raw on the base directory's file system, not empty; it is moved. On failure it is still there, unless the
     *     message says that it is a generation already
     * @param from what it was imported from, for people
     */
    public Generation add(MachineTypeId type, Path raw, String from) throws PluginException {
        return changing(type, () -> files.of(type).add(raw, "imported from " + from));
    }

    /**
     * Writes the machine image anew so that it is quick to clone, if it can be in less than half of its extents. Takes as long
     * as that takes; meanwhile and afterwards it is the same generation.
     *
     * @return what was done, for people; empty if there is no machine image, or another one meanwhile
     */
    public Optional<String> repack(MachineTypeId type) throws PluginException {
        return changing(type, files.of(type)::repack);
    }

    private static <T> T changing(MachineTypeId type, Failures.Work<T> work) throws PluginException {
        return Failures.translating("the generations of " + type + " cannot be changed", work);
    }

    /** The machine image's file, as the base of other types or for people; it may not be there. */
    public Path image(MachineTypeId type) {
        return files.paths().image(type);
    }
}
