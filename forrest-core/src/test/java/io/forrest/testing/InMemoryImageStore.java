package io.forrest.testing;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
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
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;

/**
 * Keeps machine images and their generations in memory and copies them into disks, which are files as with every store; for
 * small images, on any file system. What is free is what it was told, and no generation is ever too old for it. Thread-safe.
 */
public final class InMemoryImageStore implements ImageStore {
    private final CallHooks<Call> hooks = new CallHooks<>(Call.class);
    private volatile List<HostProblem> problems = List.of();
    private volatile DataSize freeSpace = DataSize.parse("1T");

    // Guarded by this.
    private final Map<MachineTypeId, List<Image>> generations = new HashMap<>();
    private final Map<MachineTypeId, byte[]> tpmStates = new HashMap<>();
    private Optional<Tidying> tidied = Optional.empty();

    /** What can be asked of it. */
    public enum Call {
        CREATE_DISK,
        PROMOTE,
        CAME_UP,
        SET_ASIDE,
        REINSTATE,
        TIDY
    }

    /** What {@link #tidy} is called with. */
    public record Tidying(Retention retention, Set<DiskOrigin> inUse) {}

    /** A generation, or a base image. Guarded by the store, but for what never changes. */
    private static final class Image {
        private final byte[] content;
        private final Optional<Provenance> provenance;
        private final String version = UUID.randomUUID().toString();
        private Instant modified;
        private boolean proven;
        private boolean setAside;

        Image(byte[] content, Optional<Provenance> provenance, Instant modified) {
            this.content = content;
            this.provenance = provenance;
            this.modified = modified;
        }

        byte[] content() {
            return content.clone();
        }

        boolean isOf(MachineId machine) {
            return provenance.filter(from -> from.machine().equals(machine)).isPresent();
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
        add(type, new Image(content.clone(), Optional.empty(), modified));
    }

    private synchronized void add(MachineTypeId type, Image image) {
        generations.computeIfAbsent(type, any -> new ArrayList<>()).add(image);
    }

    /** What the machine image of {@code type} holds. */
    public synchronized Optional<byte[]> image(MachineTypeId type) {
        return current(type).map(Image::content);
    }

    /** Where the machine image of {@code type} comes from, if it was promoted. */
    public synchronized Optional<Provenance> provenance(MachineTypeId type) {
        return current(type).flatMap(image -> image.provenance);
    }

    /** What the newest generation of {@code type} holds that is set aside. */
    public synchronized Optional<byte[]> setAside(MachineTypeId type) {
        return newest(type, image -> image.setAside).map(Image::content);
    }

    private Optional<Image> current(MachineTypeId type) {
        return newest(type, image -> !image.setAside);
    }

    private Optional<Image> newest(MachineTypeId type, Predicate<Image> wanted) {
        return generations.getOrDefault(type, List.of()).stream().filter(wanted).reduce((older, newer) -> newer);
    }

    /** The generation that a disk was made of, and its type. */
    private Optional<Map.Entry<MachineTypeId, Image>> find(DiskOrigin origin) {
        return generations.entrySet().stream()
                .flatMap(type -> type.getValue().stream().map(image -> Map.entry(type.getKey(), image)))
                .filter(entry -> entry.getValue().version.equals(origin.version()))
                .findFirst();
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

    /** Has each machine of {@code type} get a TPM with this state. */
    public synchronized void putTpmState(MachineTypeId type, byte[] state) {
        tpmStates.put(type, state.clone());
    }

    @Override
    public synchronized boolean hasTpmState(MachineTypeId type) {
        return tpmStates.containsKey(type);
    }

    @Override
    public boolean createTpmState(MachineTypeId type, Path copy) throws PluginException {
        Optional<byte[]> state;
        synchronized (this) {
            state = Optional.ofNullable(tpmStates.get(type));
        }
        if (state.isEmpty()) {
            return false;
        }
        try {
            Files.createFile(copy, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.write(copy, state.get());
            return true;
        } catch (IOException e) {
            throw broken("The TPM state " + copy + " cannot be made", e);
        }
    }

    private synchronized Selected select(DiskRequest request) throws PluginException, IOException {
        Optional<Image> own = current(request.type());
        boolean hasBase =
                request.baseMachine().isPresent() || request.baseImage().isPresent();
        if (!hasBase || request.useBase() == UseBase.NEVER) {
            Image image = own.orElseThrow(() -> missing(request.type() + " has no machine image yet."));
            return new Selected(image.origin(request.type(), true), image);
        }
        Optional<Image> base = base(request);
        if (request.useBase() == UseBase.IF_NEWER && own.isPresent()) {
            boolean newer = base.isPresent() && base.get().modified.isAfter(own.get().modified);
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
            return current(request.baseMachine().get());
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
                Files.readAllBytes(file),
                Optional.empty(),
                Files.getLastModifiedTime(file).toInstant()));
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
            synchronized (this) {
                if (newest(type, image -> image.isOf(provenance.machine())).isEmpty()) {
                    add(
                            type,
                            new Image(
                                    Files.readAllBytes(disk),
                                    Optional.of(provenance),
                                    Files.getLastModifiedTime(disk).toInstant()));
                }
            }
            Files.deleteIfExists(disk);
        } catch (IOException e) {
            throw broken("The disk " + disk + " cannot be promoted", e);
        }
    }

    @Override
    public void cameUp(DiskOrigin origin) throws PluginException {
        hooks.enter(Call.CAME_UP);
        synchronized (this) {
            find(origin).ifPresent(found -> found.getValue().proven = true);
        }
    }

    @Override
    public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
        hooks.enter(Call.SET_ASIDE);
        synchronized (this) {
            Optional<Map.Entry<MachineTypeId, Image>> found = find(origin);
            if (found.isEmpty()) {
                return Optional.empty();
            }
            MachineTypeId type = found.get().getKey();
            Image image = found.get().getValue();
            boolean only = newest(type, other -> !other.setAside && !other.equals(image))
                    .isEmpty();
            if (image.proven || current(type).filter(image::equals).isEmpty() || (only && !origin.ownImage())) {
                return Optional.empty();
            }
            image.setAside = true;
            Optional<Image> next = current(type);
            next.ifPresent(older -> older.modified = later(older.modified, image.modified));
            return Optional.of(next.isPresent() ? "the generation of " + type + " before" : "its base");
        }
    }

    /** Going back is a change of the machine image, so it does not become older by it. */
    private static Instant later(Instant one, Instant other) {
        return one.isAfter(other) ? one : other;
    }

    @Override
    public boolean reinstate(DiskOrigin origin) throws PluginException {
        hooks.enter(Call.REINSTATE);
        synchronized (this) {
            Optional<Map.Entry<MachineTypeId, Image>> found = find(origin);
            if (found.isEmpty()) {
                return false;
            }
            Image image = found.get().getValue();
            boolean newest = newest(found.get().getKey(), any -> true)
                    .filter(image::equals)
                    .isPresent();
            if (!image.setAside || !newest) {
                return false;
            }
            image.setAside = false;
            return true;
        }
    }

    /** With what it was last told to tidy. */
    public synchronized Optional<Tidying> tidied() {
        return tidied;
    }

    @Override
    public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
        hooks.enter(Call.TIDY);
        synchronized (this) {
            tidied = Optional.of(new Tidying(retention, Set.copyOf(inUse)));
        }
        boolean crowded = freeSpace.compareTo(retention.freeSpace()) < 0;
        synchronized (this) {
            for (Map.Entry<MachineTypeId, List<Image>> entry : generations.entrySet()) {
                Optional<Image> current = current(entry.getKey());
                Set<Image> kept = new HashSet<>();
                current.ifPresent(kept::add);
                for (DiskOrigin origin : inUse) {
                    find(origin).ifPresent(found -> kept.add(found.getValue()));
                }
                if (!crowded) {
                    newest(
                                    entry.getKey(),
                                    image -> image.proven && !image.setAside && !current.equals(Optional.of(image)))
                            .ifPresent(kept::add);
                    List<Image> all = entry.getValue();
                    long others = retention.generations() - current.stream().count();
                    all.stream()
                            .filter(image -> !current.equals(Optional.of(image)))
                            .skip(Math.max(0, all.size() - current.stream().count() - others))
                            .forEach(kept::add);
                }
                entry.getValue().retainAll(kept);
            }
        }
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
