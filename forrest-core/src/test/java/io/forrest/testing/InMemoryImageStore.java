package io.forrest.testing;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * Keeps machine images in memory and copies them into disks, which are files as with every store; for small images, on
 * any file system. Thread-safe.
 */
public final class InMemoryImageStore implements ImageStore {
    private final CallHooks<Call> hooks = new CallHooks<>(Call.class);
    private volatile List<HostProblem> problems = List.of();
    private volatile DataSize freeSpace = DataSize.parse("1T");

    // Guarded by this.
    private final Map<MachineTypeId, Image> images = new HashMap<>();
    private final Map<MachineTypeId, Provenance> provenances = new HashMap<>();
    private final Map<MachineTypeId, Image> setAside = new HashMap<>();
    private Optional<Tidying> tidied = Optional.empty();

    /** What can be asked of it. */
    public enum Call {
        CREATE_DISK,
        PROMOTE,
        SET_ASIDE,
        TIDY
    }

    /** What {@link #tidy} is called with. */
    public record Tidying(Retention retention, Set<DiskOrigin> inUse) {}

    private static final class Image {
        private final byte[] content;
        private final Instant modified;
        private final String version = UUID.randomUUID().toString();

        Image(byte[] content, Instant modified) {
            this.content = content;
            this.modified = modified;
        }

        byte[] content() {
            return content.clone();
        }

        Instant modified() {
            return modified;
        }

        DiskOrigin origin(MachineTypeId type, boolean own) {
            return new DiskOrigin(Path.of("/in-memory", type.toString()), own, version);
        }
    }

    private record Selected(DiskOrigin origin, Image image) {}

    /** What comes before its calls. */
    public CallHooks<Call> hooks() {
        return hooks;
    }

    /** What is wrong with the host from now on. */
    public void hostProblems(List<HostProblem> newProblems) {
        problems = List.copyOf(newProblems);
    }

    /** Makes this the machine image of {@code type}, as if it had just been promoted. */
    public synchronized void put(MachineTypeId type, byte[] content, Instant modified) {
        images.put(type, new Image(content.clone(), modified));
    }

    /** What the machine image of {@code type} holds. */
    public synchronized Optional<byte[]> image(MachineTypeId type) {
        return Optional.ofNullable(images.get(type)).map(Image::content);
    }

    /** Where the machine image of {@code type} comes from, if it was promoted. */
    public synchronized Optional<Provenance> provenance(MachineTypeId type) {
        return Optional.ofNullable(provenances.get(type));
    }

    /** What the last machine image of {@code type} held that was set aside. */
    public synchronized Optional<byte[]> setAside(MachineTypeId type) {
        return Optional.ofNullable(setAside.get(type)).map(Image::content);
    }

    @Override
    public List<HostProblem> checkHost() {
        return problems;
    }

    @Override
    public List<HostProblem> checkBaseImage(Path image) {
        String remedy = "Put a raw disk image there.";
        if (!Files.isRegularFile(image)) {
            return List.of(new HostProblem(image.toString(), "is not there, or not a plain file.", remedy));
        }
        return image.toFile().length() == 0
                ? List.of(new HostProblem(image.toString(), "is empty.", remedy))
                : List.of();
    }

    @Override
    public DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException {
        hooks.enter(Call.CREATE_DISK);
        try {
            Selected selected = select(request);
            Files.write(disk, selected.image().content());
            try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
                file.setLength(Math.max(file.length(), request.size().bytes()));
            }
            return selected.origin();
        } catch (IOException e) {
            throw broken("The disk " + disk + " cannot be made", e);
        }
    }

    private synchronized Selected select(DiskRequest request) throws PluginException, IOException {
        Optional<Image> own = Optional.ofNullable(images.get(request.type()));
        boolean hasBase =
                request.baseMachine().isPresent() || request.baseImage().isPresent();
        if (!hasBase || request.useBase() == UseBase.NEVER) {
            Image image = own.orElseThrow(() -> missing(request.type() + " has no machine image yet."));
            return new Selected(image.origin(request.type(), true), image);
        }
        Optional<Image> base = base(request);
        if (request.useBase() == UseBase.IF_NEWER && own.isPresent()) {
            boolean newer =
                    base.isPresent() && base.get().modified().isAfter(own.get().modified());
            if (!newer) {
                return new Selected(own.get().origin(request.type(), true), own.get());
            }
        }
        if (request.baseMachine().isPresent()) {
            MachineTypeId type = request.baseMachine().get();
            Image image = base.orElseThrow(() -> missing("The base " + type + " has no machine image yet."));
            return new Selected(image.origin(type, false), image);
        }
        Path file = request.baseImage().orElseThrow();
        Image image = base.orElseThrow(() -> missing("The base_image " + file + " does not exist."));
        if (image.content().length == 0) {
            throw new PluginException(PluginException.Kind.REJECTED, "The base_image " + file + " is empty.");
        }
        return new Selected(new DiskOrigin(file, false, image.version), image);
    }

    private Optional<Image> base(DiskRequest request) throws PluginException, IOException {
        if (request.baseMachine().isPresent()) {
            return Optional.ofNullable(images.get(request.baseMachine().get()));
        }
        Path file = request.baseImage().orElseThrow();
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        if (!Files.isRegularFile(file)) {
            throw new PluginException(
                    PluginException.Kind.REJECTED, "The base_image " + file + " is not a plain file.");
        }
        return Optional.of(new Image(
                Files.readAllBytes(file), Files.getLastModifiedTime(file).toInstant()));
    }

    private static PluginException missing(String message) {
        return new PluginException(PluginException.Kind.RETRY_LATER, message);
    }

    private static PluginException broken(String what, IOException e) {
        return new PluginException(PluginException.Kind.BROKEN, what + ": " + e, e);
    }

    @Override
    public void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException {
        hooks.enter(Call.PROMOTE);
        try {
            Image image = new Image(
                    Files.readAllBytes(disk), Files.getLastModifiedTime(disk).toInstant());
            synchronized (this) {
                images.put(type, image);
                provenances.put(type, provenance);
            }
            Files.delete(disk);
        } catch (IOException e) {
            throw broken("The disk " + disk + " cannot be promoted", e);
        }
    }

    @Override
    public void cameUp(DiskOrigin origin) {}

    @Override
    public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
        hooks.enter(Call.SET_ASIDE);
        synchronized (this) {
            for (Map.Entry<MachineTypeId, Image> entry : images.entrySet()) {
                if (entry.getValue().version.equals(origin.version())) {
                    setAside.put(entry.getKey(), entry.getValue());
                    images.remove(entry.getKey());
                    return Optional.of("the base");
                }
            }
            return Optional.empty();
        }
    }

    @Override
    public boolean reinstate(DiskOrigin origin) {
        return false;
    }

    @Override
    public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
        hooks.enter(Call.TIDY);
        synchronized (this) {
            tidied = Optional.of(new Tidying(retention, Set.copyOf(inUse)));
        }
    }

    /** With what it was last told to tidy. */
    public synchronized Optional<Tidying> tidied() {
        return tidied;
    }

    /** How much space there is from now on. */
    public void freeSpace(DataSize newFreeSpace) {
        freeSpace = newFreeSpace;
    }

    @Override
    public DataSize freeSpace() {
        return freeSpace;
    }
}
