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
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Machine images as plain raw files on a file system with reflink copies and extended attributes (Btrfs, XFS).
 *
 * <p>The machine image of {@code owner/repository/type} is {@code <base_dir>/machines/owner/repository/type.img}, and what it
 * was at other times is in {@code type.generations} beside it.
 */
public final class ReflinkImageStore implements ImageStore {
    /** Each time somebody has to remove the very image between two looks at it. */
    private static final int MOST_CHOICES = 3;

    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rw-------");

    private final Path baseDirectory;
    private final StoreFiles files;
    private final BaseImageChooser chooser;
    private final FileCloner cloner;

    /** Touches nothing yet. */
    public ReflinkImageStore(Path baseDirectory) {
        this(baseDirectory, Clock.systemUTC());
    }

    /** {@code clock} says when a machine image was made; the times of base images are held against that. */
    public ReflinkImageStore(Path baseDirectory, Clock clock) {
        this.baseDirectory = baseDirectory;
        this.files = new StoreFiles(baseDirectory, clock);
        this.chooser = new BaseImageChooser(files.paths());
        this.cloner = files.cloner();
    }

    @Override
    public List<HostProblem> checkHost() {
        return new ReflinkProbe(cloner).check(baseDirectory).stream().toList();
    }

    @Override
    public DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException {
        try {
            for (int i = 0; i < MOST_CHOICES; i++) {
                BaseImageChooser.Choice choice = chooser.choose(request);
                checkUsable(choice.image());
                Optional<DiskOrigin> origin = clone(choice, disk);
                if (origin.isPresent()) {
                    grow(request, disk);
                    return origin.get();
                }
            }
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    "the image of " + request.type() + " was removed each time its disk was to be made of it");
        } catch (IOException e) {
            throw Failures.failed("the disk " + disk + " cannot be made", e);
        }
    }

    private Optional<DiskOrigin> clone(BaseImageChooser.Choice choice, Path disk) throws PluginException, IOException {
        if (choice.type().isEmpty()) {
            // If it is replaced before it is cloned, this is the older one's version.
            String version = BaseImageChooser.version(choice.image());
            clone(choice.image(), disk);
            return Optional.of(new DiskOrigin(choice.image(), false, version));
        }
        try {
            return files.of(choice.type().get())
                    .cloneCurrent(disk)
                    .map(id -> new DiskOrigin(
                            files.paths().generation(id.type(), id.number()), choice.own(), id.toString()));
        } catch (CloneException e) {
            throw unusable(choice.image(), e);
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
            deleteQuietly(copy);
        }
    }

    private static void deleteQuietly(Path copy) {
        try {
            Files.deleteIfExists(copy);
        } catch (IOException e) {
            // A probe shares all its blocks with the image, and the next one takes another name; what is in a run
            // directory
            // goes with that.
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
            throw unusable(image, e);
        }
    }

    /** Throws {@code failure} itself if it may be another time. */
    private PluginException unusable(Path image, CloneException failure) throws CloneException {
        if (failure.acrossFileSystems()) {
            return rejected("the image " + image + " is on another file system than " + baseDirectory
                    + ", so it cannot be cloned; copy it there once.");
        }
        if (failure.unsupported()) {
            return rejected(failure.getMessage() + "; the file system of " + baseDirectory + " cannot clone files.");
        }
        throw failure;
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
    public boolean hasTpmState(MachineTypeId type) {
        return Files.exists(files.paths().tpmState(type));
    }

    @Override
    public boolean createTpmState(MachineTypeId type, Path copy) throws PluginException {
        Path state = files.paths().tpmState(type);
        if (!Files.exists(state)) {
            return false;
        }
        if (!Files.isRegularFile(state)) {
            throw rejected("the TPM state " + state + " is not a plain file; make it with swtpm_setup.");
        }
        boolean copied = false;
        try {
            // A few KB, and a link may lead to another file system: this is no case for a clone.
            Files.createFile(copy, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
            try (OutputStream out = Files.newOutputStream(copy)) {
                Files.copy(state, out);
            }
            copied = true;
            return true;
        } catch (IOException e) {
            throw Failures.failed("the TPM state " + state + " cannot be copied", e);
        } finally {
            if (!copied) {
                deleteQuietly(copy);
            }
        }
    }

    @Override
    public void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException {
        TypeImages images = files.of(type);
        try {
            images.promote(disk, provenance);
        } catch (IOException e) {
            throw Failures.failed("the disk " + disk + " " + images.standing(disk, provenance), e);
        }
    }

    @Override
    public void cameUp(DiskOrigin origin) throws PluginException {
        Optional<GenerationId> id = GenerationId.parse(origin.version());
        if (id.isEmpty()) {
            return;
        }
        try {
            files.of(id.get().type()).proven(id.get().number());
        } catch (IOException e) {
            throw Failures.failed("that a machine came up from " + id.get().spoken() + " cannot be written down", e);
        }
    }

    @Override
    public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
        Optional<GenerationId> id = GenerationId.parse(origin.version());
        if (id.isEmpty()) {
            return Optional.empty();
        }
        try {
            return files.of(id.get().type()).setAside(id.get().number(), reason, origin.ownImage());
        } catch (IOException e) {
            throw Failures.failed(id.get().spoken() + " cannot be set aside", e);
        }
    }

    @Override
    public boolean reinstate(DiskOrigin origin) throws PluginException {
        Optional<GenerationId> id = GenerationId.parse(origin.version());
        if (id.isEmpty()) {
            return false;
        }
        try {
            return files.of(id.get().type()).reinstate(id.get().number());
        } catch (IOException e) {
            throw Failures.failed(id.get().spoken() + " cannot be made the machine image again", e);
        }
    }

    @Override
    public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
        new StoreTidying(files, retention, inUse, new Repacker()).run();
    }

    @Override
    public DataSize freeSpace() throws PluginException {
        try {
            return files.freeSpace();
        } catch (IOException e) {
            throw Failures.failed("the free space of " + baseDirectory + " cannot be told", e);
        }
    }

    private static PluginException rejected(String message) {
        return new PluginException(PluginException.Kind.REJECTED, message);
    }
}
