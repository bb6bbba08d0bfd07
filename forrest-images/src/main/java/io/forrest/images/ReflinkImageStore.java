package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Machine images as plain raw files on a file system with reflink copies (Btrfs, XFS).
 *
 * <p>The machine image of {@code owner/repository/type} is {@code <base_dir>/machines/owner/repository/type.img}.
 */
public final class ReflinkImageStore implements ImageStore {
    private final Path baseDirectory;
    private final ImagePaths paths;
    private final BaseImageChooser chooser;
    private final FileCloner cloner = new FileCloner();

    /** Between the look at a machine image and its being set aside nothing may be promoted over it. */
    private final Object renaming = new Object();

    /** Touches nothing yet. */
    public ReflinkImageStore(Path baseDirectory) {
        this.baseDirectory = baseDirectory;
        this.paths = new ImagePaths(baseDirectory);
        this.chooser = new BaseImageChooser(paths);
    }

    @Override
    public List<HostProblem> checkHost() {
        return new ReflinkProbe(cloner).check(baseDirectory).stream().toList();
    }

    @Override
    public DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException {
        try {
            DiskOrigin origin = chooser.choose(request);
            checkUsable(origin.image());
            clone(origin.image(), disk);
            grow(request, disk);
            return origin;
        } catch (IOException e) {
            throw broken("the disk " + disk + " cannot be made", e);
        }
    }

    @Override
    public List<HostProblem> checkBaseImage(Path image) {
        Path copy = baseDirectory.resolve(
                ".base-image-probe-" + ProcessHandle.current().pid());
        try {
            if (!Files.exists(image)) {
                return List.of(new HostProblem(image.toString(), "does not exist.", "Put a raw disk image there."));
            }
            checkUsable(image);
            clone(image, copy);
            return List.of();
        } catch (PluginException e) {
            return List.of(new HostProblem(image.toString(), "cannot be used:", e.getMessage()));
        } catch (IOException e) {
            return List.of(new HostProblem(image.toString(), "cannot be read:", e.getMessage() + "."));
        } finally {
            deleteProbe(copy);
        }
    }

    private static void deleteProbe(Path copy) {
        try {
            Files.deleteIfExists(copy);
        } catch (IOException e) {
            // It shares all its blocks with the image, and the next probe takes another name.
        }
    }

    private static void checkUsable(Path image) throws PluginException, IOException {
        if (!Files.isRegularFile(image)) {
            throw rejected("the image " + image + " is not a plain file; put a raw disk image there.");
        }
        if (Files.size(image) == 0) {
            throw rejected("the image " + image + " is empty; put a raw disk image there.");
        }
    }

    private void clone(Path image, Path disk) throws PluginException, IOException {
        try {
            cloner.clone(image, disk);
        } catch (CloneException e) {
            if (e.acrossFileSystems()) {
                throw rejected("the image " + image + " is on another file system than " + baseDirectory
                        + ", so it cannot be cloned; copy it there once.");
            }
            if (e.unsupported()) {
                throw rejected(e.getMessage() + "; the file system of " + baseDirectory + " cannot clone files.");
            }
            throw e;
        }
    }

    private static void grow(DiskRequest request, Path disk) throws IOException {
        boolean grown = false;
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            if (file.length() < request.size().bytes()) {
                file.setLength(request.size().bytes());
            }
            grown = true;
        } finally {
            if (!grown) {
                Files.deleteIfExists(disk);
            }
        }
    }

    @Override
    public void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException {
        Path image = paths.image(type);
        try {
            Files.createDirectories(image.getParent());
            // The data must be on the disk before the name is: after a power cut, the name leads to the old image or to
            // all of the new one. The directory is synced last, so that whoever was told of the promotion finds it.
            sync(disk);
            synchronized (renaming) {
                Files.move(disk, image, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
            sync(image.getParent());
        } catch (IOException e) {
            throw broken("the disk " + disk + " cannot become the machine image " + image, e);
        }
    }

    @Override
    public void cameUp(DiskOrigin origin) {}

    @Override
    public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
        Path image = origin.image();
        try {
            synchronized (renaming) {
                if (!origin.ownImage()
                        || !Files.exists(image)
                        || !BaseImageChooser.version(image).equals(origin.version())) {
                    return Optional.empty();
                }
                Files.move(
                        image,
                        image.resolveSibling(image.getFileName() + ".broken"),
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
                return Optional.of("the base");
            }
        } catch (IOException e) {
            throw broken("the machine image " + image + " cannot be set aside", e);
        }
    }

    @Override
    public boolean reinstate(DiskOrigin origin) {
        return false;
    }

    @Override
    public void tidy(Retention retention, Set<DiskOrigin> inUse) {}

    @Override
    public DataSize freeSpace() throws PluginException {
        try {
            return new DataSize(Files.getFileStore(baseDirectory).getUsableSpace());
        } catch (IOException e) {
            throw broken("the free space of " + baseDirectory + " cannot be told", e);
        }
    }

    private static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static PluginException rejected(String message) {
        return new PluginException(PluginException.Kind.REJECTED, message);
    }

    private static PluginException broken(String what, IOException cause) {
        return new PluginException(PluginException.Kind.BROKEN, what + ": " + cause.getMessage(), cause);
    }
}
