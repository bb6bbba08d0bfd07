package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.failpoint.FailPoint;
import io.forrest.files.AtomicFiles;
import io.forrest.spi.Provenance;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The generations of one machine type's image. Thread-safe; whatever changes something holds the type's {@link TypeLock}.
 *
 * <p>The rule that all of it keeps: <b>the machine image is a clone of the newest good generation.</b> So a change is one
 * that is written in generations, by one rename each time, and {@link #settle} makes the machine image follow; whoever
 * comes after a crash calls it too, and so completes what was begun. A generation is there if and only if its image is.
 *
 * <p>A machine image that is no clone of a generation was put there, or changed in place, by somebody's hand. It becomes a
 * generation before anything else happens, the newest one, so that it stays what machines start from.
 */
final class TypeImages {
    private static final Logger LOG = LoggerFactory.getLogger(TypeImages.class);

    private static final Pattern IMAGE = Pattern.compile("([1-9][0-9]{0,8})\\.img");
    private static final Pattern RECORD = Pattern.compile("([1-9][0-9]{0,8})\\.json");

    /** Of files of ours that are on their way to or from their place. */
    private static final String TRANSIENT = ".";

    private final ImagePaths paths;
    private final MachineTypeId type;
    private final FileCloner cloner;
    private final Clock clock;

    TypeImages(ImagePaths paths, MachineTypeId type, FileCloner cloner, Clock clock) {
        this.paths = paths;
        this.type = type;
        this.cloner = cloner;
        this.clock = clock;
    }

    /** What was found under one number. */
    private record Stored(int number, boolean hasImage, GenerationRecord record) {}

    /** What is in the machine image's place. */
    private record Place(Kind kind, int generation) {
        enum Kind {
            NOTHING,
            /** Of no length: nobody's image, but what is left of one. */
            EMPTY,
            GENERATION,
            FOREIGN
        }

        static Place of(Kind kind) {
            return new Place(kind, 0);
        }

        boolean is(int number) {
            return kind == Kind.GENERATION && generation == number;
        }
    }

    private <T, E extends Exception> T locked(TypeLock.Work<T, E> work) throws IOException, E {
        DurableFiles.createDirectories(paths.baseDirectory(), paths.generations(type));
        return TypeLock.holding(paths.lock(type), work);
    }

    // ---- Looking, which changes nothing and needs no lock.

    /** All generations, the newest first. */
    List<Generation> history() throws IOException {
        Place place = place();
        List<Generation> history = new ArrayList<>();
        for (Stored stored : scan().descendingMap().values()) {
            if (stored.hasImage()) {
                try {
                    history.add(generation(stored, place));
                } catch (NoSuchFileException e) {
                    // Removed meanwhile.
                }
            }
        }
        return history;
    }

    /** Whether somebody put an image into the machine image's place that is no generation yet. */
    boolean isForeign() throws IOException {
        return place().kind() == Place.Kind.FOREIGN;
    }

    private Generation generation(Stored stored, Place place) throws IOException {
        GenerationRecord record = stored.record();
        Path image = paths.generation(type, stored.number());
        return new Generation(
                new GenerationId(type, stored.number()),
                image,
                new DataSize(Files.size(image)),
                place.is(stored.number()),
                record.madeAt(),
                record.source(),
                record.machine(),
                record.text("repository"),
                record.number("job"),
                record.number("workflowRun"),
                record.text("commit"),
                record.text("parent"),
                record.proven(),
                record.pinned(),
                record.setAside(),
                record.problem());
    }

    private NavigableMap<Integer, Stored> scan() throws IOException {
        NavigableMap<Integer, Stored> found = new TreeMap<>();
        if (!Files.isDirectory(paths.generations(type))) {
            return found;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(paths.generations(type))) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                Matcher image = IMAGE.matcher(name);
                Matcher record = RECORD.matcher(name);
                if (image.matches() || record.matches()) {
                    int number = Integer.parseInt((image.matches() ? image : record).group(1));
                    found.computeIfAbsent(number, any -> new Stored(number, false, null));
                }
            }
        }
        for (int number : List.copyOf(found.keySet())) {
            found.put(
                    number,
                    new Stored(
                            number,
                            Files.isRegularFile(paths.generation(type, number)),
                            GenerationRecord.read(paths.record(type, number))));
        }
        return found;
    }

    private Place place() throws IOException {
        Path image = paths.image(type);
        if (!Files.exists(image)) {
            return Place.of(Place.Kind.NOTHING);
        }
        if (!Files.isRegularFile(image)) {
            throw new IOException(image + " is not a plain file; move it elsewhere");
        }
        try {
            if (Files.size(image) == 0) {
                return Place.of(Place.Kind.EMPTY);
            }
            Optional<GenerationMark> mark = GenerationMark.read(image);
            if (mark.isEmpty() || !mark.get().fits(type, image)) {
                return Place.of(Place.Kind.FOREIGN);
            }
            int number = mark.get().generation().number();
            Path generation = paths.generation(type, number);
            boolean same = Files.isRegularFile(generation) && Files.size(generation) == Files.size(image);
            return same ? new Place(Place.Kind.GENERATION, number) : Place.of(Place.Kind.FOREIGN);
        } catch (NoSuchFileException e) {
            return Place.of(Place.Kind.NOTHING);
        }
    }

    /** Otherwise a type that only has a name would get directories for it. */
    private boolean hasAnything() throws IOException {
        return Files.isDirectory(paths.generations(type)) || place().kind() != Place.Kind.NOTHING;
    }

    private static boolean isGood(Stored stored, Place place) {
        return stored.hasImage()
                && stored.record().setAside().isEmpty()
                && (stored.record().problem().isEmpty() || place.is(stored.number()));
    }

    // ---- The machine image follows its generations.

    /** Completes what a crash or somebody's hand left, see above. */
    void tidy() throws IOException {
        if (hasAnything()) {
            locked(this::settle);
        }
    }

    /** Makes the rule true; the caller holds the lock. Returns the machine image's generation, if there is one. */
    private Optional<Stored> settle() throws IOException {
        removeTransients();
        removeLoneRecords();
        if (place().kind() == Place.Kind.FOREIGN) {
            adopt();
        }
        Place place = place();
        NavigableMap<Integer, Stored> all = scan();
        Optional<Stored> newestGood = newestGood(all, place, Integer.MAX_VALUE);
        if (newestGood.isEmpty()) {
            if (place.kind() == Place.Kind.GENERATION) {
                // It is good for nothing, and its generation stays; the name is where one looks for it.
                DurableFiles.rename(paths.image(type), paths.broken(type));
            }
            return Optional.empty();
        }
        Stored newest = newestGood.get();
        if (place.kind() == Place.Kind.NOTHING && newest.record().published()) {
            // It was the machine image, and nothing that Forrest does leaves none in its place: somebody removed it, as
            // one
            // does to have machines start from the base again.
            Generation.SetAside removed =
                    new Generation.SetAside("its file was removed by hand", clock.instant(), true);
            for (Stored stored : all.values()) {
                if (isGood(stored, place)) {
                    write(stored.number(), stored.record().withSetAside(removed));
                }
            }
            LOG.warn("The machine image {} was removed by hand; its generations stay, set aside.", paths.image(type));
            return Optional.empty();
        }
        if (!place.is(newest.number())) {
            publish(newest.number(), clock.instant());
        }
        notePublished(newest);
        return Optional.of(newest);
    }

    private Optional<Stored> newestGood(NavigableMap<Integer, Stored> all, Place place, int before) {
        return all.headMap(before, false).descendingMap().values().stream()
                .filter(stored -> isGood(stored, place))
                .findFirst();
    }

    /** Only has to be known when somebody removes the image; a full disk must not turn a success into a failure. */
    private void notePublished(Stored stored) {
        if (stored.record().published() || stored.record().problem().isPresent()) {
            return;
        }
        try {
            write(stored.number(), stored.record().withPublished(true));
        } catch (IOException e) {
            LOG.warn(
                    "{}: that it is the machine image could not be written down: {}",
                    id(stored.number()),
                    e.toString());
        }
    }

    private void removeTransients() throws IOException {
        Files.deleteIfExists(paths.nextImage(type));
        try (DirectoryStream<Path> files = Files.newDirectoryStream(paths.generations(type), TRANSIENT + "*")) {
            for (Path file : files) {
                Files.delete(file);
            }
        }
    }

    /** The one with the highest number stays: it keeps that number from being used again. */
    private void removeLoneRecords() throws IOException {
        NavigableMap<Integer, Stored> all = scan();
        for (Stored stored : all.values()) {
            if (!stored.hasImage() && stored.number() != all.lastKey()) {
                Files.deleteIfExists(paths.record(type, stored.number()));
            }
        }
    }

    /** Makes the image that is in the machine image's place a generation, the newest; the caller holds the lock. */
    private void adopt() throws IOException {
        Path image = paths.image(type);
        Instant modified = GenerationMark.modified(image);
        long size = Files.size(image);
        NavigableMap<Integer, Stored> all = scan();
        // A crash may have come between the generation and the word for it on the image.
        Optional<Stored> before = Optional.ofNullable(all.lastEntry())
                .map(Map.Entry::getValue)
                .filter(last -> last.hasImage() && last.record().isFound(modified, size));
        int number = before.map(Stored::number).orElse(nextNumber(all));
        if (before.isEmpty()) {
            write(number, GenerationRecord.ofFound(modified, clock.instant(), size));
            Path copy = transientFile(number + ".img.next");
            cloneSynced(image, copy);
            DurableFiles.rename(copy, paths.generation(type, number));
            LOG.info(
                    "The image {}, which is none of Forrest's, is {} now.",
                    image,
                    id(number).spoken());
        }
        mark(image, number, modified);
    }

    /** In the file itself, which somebody may still have open; where that cannot be, in a clone in its place. */
    private void mark(Path image, int number, Instant modified) throws IOException {
        boolean alone = !Files.isSymbolicLink(image)
                && Files.getAttribute(image, "unix:nlink", LinkOption.NOFOLLOW_LINKS)
                        .equals(1);
        if (alone) {
            try {
                new GenerationMark(id(number), modified).write(image);
                AtomicFiles.sync(image);
                return;
            } catch (FileSystemException e) {
                LOG.debug("{} cannot be written to, so a clone takes its place.", image, e);
            }
        }
        publish(number, modified);
    }

    /** A number that no generation ever had, nor will one that was put into the machine image's place. */
    private int nextNumber(NavigableMap<Integer, Stored> all) throws IOException {
        int highest = all.isEmpty() ? 0 : all.lastKey();
        Path image = paths.image(type);
        if (Files.isRegularFile(image)) {
            highest = Math.max(
                    highest,
                    GenerationMark.read(image)
                            .map(GenerationMark::generation)
                            .filter(id -> id.type().equals(type))
                            .map(GenerationId::number)
                            .orElse(0));
        }
        return highest + 1;
    }

    /** Has a clone of a generation take the machine image's place in one step; the caller holds the lock. */
    private void publish(int number, Instant modified) throws IOException {
        Path image = paths.image(type);
        Path next = paths.nextImage(type);
        Files.deleteIfExists(next);
        boolean published = false;
        try {
            cloner.clone(paths.generation(type, number), next);
            Files.setLastModifiedTime(next, FileTime.from(modified));
            // The file system may keep it less exactly.
            new GenerationMark(id(number), GenerationMark.modified(next)).write(next);
            AtomicFiles.sync(next);
            FailPoint.IMAGE_READY.pass();
            Files.move(next, image, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            published = true;
            try {
                AtomicFiles.sync(image.getParent());
            } catch (IOException e) {
                throw new IOException(
                        image + " is " + id(number).spoken() + " now, but a power cut may bring the one before back: "
                                + e,
                        e);
            }
        } finally {
            if (!published) {
                Files.deleteIfExists(next);
            }
        }
    }

    // ---- Making disks.

    /**
     * Clones the machine image's generation to {@code disk}.
     *
     * @return what it was cloned from; empty if there is no machine image
     */
    Optional<GenerationId> cloneCurrent(Path disk) throws IOException {
        Place place = place();
        if (place.kind() == Place.Kind.GENERATION) {
            if (cloneGeneration(place.generation(), disk)) {
                return Optional.of(id(place.generation()));
            }
        }
        // Foreign, or a new one came and the old one went just now.
        return locked(() -> {
            Optional<Stored> current = settle();
            if (current.isEmpty()) {
                return Optional.empty();
            }
            cloner.clone(paths.generation(type, current.get().number()), disk);
            return Optional.of(id(current.get().number()));
        });
    }

    /**
     * Needs no lock: a generation never changes, and before it is emptied to be removed it loses its name. So a clone is
     * whole if the name is still there afterwards.
     */
    private boolean cloneGeneration(int number, Path disk) throws IOException {
        Path generation = paths.generation(type, number);
        try {
            cloner.clone(generation, disk);
        } catch (IOException e) {
            if (!Files.exists(generation)) {
                return false;
            }
            throw e;
        }
        if (Files.exists(generation)) {
            return true;
        }
        Files.delete(disk);
        return false;
    }

    // ---- Adding generations.

    /**
     * Makes {@code disk} the newest generation, and so the machine image.
     *
     * <p>The order, each step on stable storage before the next begins:
     *
     * <ol>
     *   <li>the disk's content, so that no name ever leads to half an image;
     *   <li>the directories, so that the names below them are not lost with them;
     *   <li>the generation's record. It comes first because it tells, after a crash, whose disk a generation is: without
     *       it, a promotion that is tried again would not know that it was done. Alone it means nothing;
     *   <li>the generation, by one rename of the disk: before, all of it is the machine's, and afterwards, the store's;
     *   <li>the machine image, by one rename of a clone that is ready. Until then it is the old one, and that it is to be
     *       the new one follows from the generations, so anybody can go on from here: {@link #settle}.
     * </ol>
     */
    Generation promote(Path disk, Provenance provenance) throws IOException {
        prepare(disk);
        return locked(() -> {
            Optional<Stored> done = madeBy(provenance);
            settle();
            if (done.isPresent()) {
                // Renamed away long ago, unless it had to be copied.
                Files.deleteIfExists(disk);
                return generation(done.get(), place());
            }
            NavigableMap<Integer, Stored> all = scan();
            boolean described = !all.isEmpty()
                    && all.lastEntry()
                            .getValue()
                            .record()
                            .machine()
                            .equals(Optional.of(provenance.machine().runnerName()));
            int number = described ? all.lastKey() : nextNumber(all);
            return add(number, disk, GenerationRecord.of(provenance, clock.instant(), sizeOf(disk)));
        });
    }

    /** Makes {@code disk} the newest generation, and so the machine image. */
    Generation add(Path disk, String source) throws IOException {
        prepare(disk);
        return locked(() -> {
            settle();
            return add(nextNumber(scan()), disk, GenerationRecord.of(source, clock.instant(), sizeOf(disk)));
        });
    }

    /** Before the lock is taken: with gigabytes in the page cache this takes its time. */
    private static void prepare(Path disk) throws IOException {
        if (Files.exists(disk)) {
            protect(disk);
            AtomicFiles.sync(disk);
        }
    }

    private static long sizeOf(Path disk) throws IOException {
        if (!Files.isRegularFile(disk)) {
            throw new NoSuchFileException(disk.toString(), null, "the disk is not there, or not a plain file");
        }
        long size = Files.size(disk);
        if (size == 0) {
            throw new IOException("the disk " + disk + " is empty");
        }
        return size;
    }

    /** Where a disk is whose promotion failed; as a phrase that follows its path. */
    String standing(Path disk, Provenance provenance) {
        try {
            Optional<Stored> made = madeBy(provenance);
            if (made.isEmpty()) {
                return "cannot become the machine image " + paths.image(type);
            }
            GenerationId id = id(made.get().number());
            return place().is(id.number())
                    ? "is the machine image as " + id.spoken() + ", but"
                    : "is kept as " + id.spoken() + ", but cannot become the machine image " + paths.image(type)
                            + " yet";
        } catch (IOException e) {
            return "or its generation cannot become the machine image " + paths.image(type);
        }
    }

    private Optional<Stored> madeBy(Provenance provenance) throws IOException {
        Optional<String> machine = Optional.of(provenance.machine().runnerName());
        return scan().values().stream()
                .filter(stored -> stored.hasImage() && stored.record().machine().equals(machine))
                .findFirst();
    }

    private Generation add(int number, Path disk, GenerationRecord record) throws IOException {
        write(number, record);
        FailPoint.GENERATION_DESCRIBED.pass();
        Path generation = paths.generation(type, number);
        try {
            DurableFiles.rename(disk, generation);
        } catch (AtomicMoveNotSupportedException e) {
            // A Btrfs subvolume of its own, from which one can clone, but not rename.
            Path copy = transientFile(number + ".img.next");
            cloneSynced(disk, copy);
            DurableFiles.rename(copy, generation);
            Files.delete(disk);
        }
        FailPoint.GENERATION_MADE.pass();
        settle();
        return generation(stored(number).orElseThrow(), place());
    }

    // ---- What becomes of generations.

    /** Notes that a machine came up from it; does nothing if it is gone. */
    void proven(int number) throws IOException {
        Optional<Stored> before = stored(number);
        if (before.isPresent() && !before.get().record().proven()) {
            locked(() -> {
                Optional<Stored> stored = stored(number);
                if (stored.isPresent()) {
                    write(number, writable(stored.get()).withProven());
                }
                return null;
            });
        }
    }

    /**
     * Sets the machine image aside if it is this generation and no machine ever came up from it.
     *
     * @param mayLeaveNone whether to do so even if there is no good generation before it
     * @return what disks are made of now, if it did
     */
    Optional<String> setAside(int number, String reason, boolean mayLeaveNone) throws IOException {
        if (!Files.isDirectory(paths.generations(type))) {
            return Optional.empty();
        }
        return locked(() -> {
            Optional<Stored> current = settle();
            if (current.isEmpty()
                    || current.get().number() != number
                    || current.get().record().proven()
                    || (!mayLeaveNone && newestGood(scan(), place(), number).isEmpty())) {
                return Optional.empty();
            }
            // This one write decides; the machine image follows.
            write(
                    number,
                    writable(current.get()).withSetAside(new Generation.SetAside(reason, clock.instant(), false)));
            return Optional.of(settle().map(now -> id(now.number()).spoken()).orElse("its base"));
        });
    }

    /**
     * Takes back what {@link #setAside} did, if there is no newer generation and nobody decided otherwise.
     *
     * @return whether it is the machine image now
     */
    boolean reinstate(int number) throws IOException {
        if (!Files.isDirectory(paths.generations(type))) {
            return false;
        }
        return locked(() -> {
            settle();
            Optional<Stored> stored = stored(number);
            NavigableMap<Integer, Stored> all = scan();
            boolean newest = all.tailMap(number, false).values().stream().noneMatch(Stored::hasImage);
            if (stored.isEmpty()
                    || !newest
                    || stored.get().record().setAside().isEmpty()
                    || stored.get().record().setAside().get().byHand()) {
                return false;
            }
            makeGood(stored.get());
            settle();
            removeBroken(number);
            return true;
        });
    }

    /** Good, and to be published: that it is not yet says so if a crash comes between. */
    private void makeGood(Stored stored) throws IOException {
        write(stored.number(), writable(stored).withoutSetAside().withPublished(false));
    }

    /**
     * Makes a generation the machine image again, and sets all newer ones aside.
     *
     * @param target empty: the newest good one before the machine image
     */
    Generation rollBack(Optional<Integer> target, String reason) throws IOException, RefusedException {
        return requested(() -> {
            Optional<Stored> current = settle();
            NavigableMap<Integer, Stored> all = scan();
            Stored to = target.isPresent()
                    ? existing(target.get())
                    : newestGood(all, place(), current.map(Stored::number).orElse(Integer.MAX_VALUE))
                            .orElseThrow(() -> new RefusedException(type + " has no good generation before "
                                    + current.map(now -> id(now.number()).toString())
                                            .orElse("the newest")
                                    + ". Name one that is set aside to use it all the same."));
            if (current.isPresent() && current.get().number() == to.number()) {
                return generation(to, place());
            }
            if (current.isPresent() && current.get().number() > to.number()) {
                // Fails before anything is changed if it is not ours to set aside.
                writable(current.get());
            }
            makeGood(to);
            Generation.SetAside setAside = new Generation.SetAside(reason, clock.instant(), true);
            // From the old to the new ones: until the last one is set aside that is the machine image, then the target
            // is.
            for (Stored newer : all.tailMap(to.number(), false).values()) {
                if (newer.hasImage() && !newer.record().isForeign()) {
                    write(newer.number(), writable(newer).withSetAside(setAside));
                }
            }
            settle();
            return generation(existing(to.number()), place());
        });
    }

    /** Has retention leave it, or not any more. */
    Generation pin(int number, boolean pinned) throws IOException, RefusedException {
        return requested(() -> {
            Stored stored = existing(number);
            if (stored.record().pinned() != pinned) {
                write(number, writable(stored).withPinned(pinned));
            }
            return generation(existing(number), place());
        });
    }

    /** Removes a generation for ever. */
    void remove(int number) throws IOException, RefusedException {
        requested(() -> {
            Optional<Stored> current = settle();
            Stored stored = existing(number);
            if (current.isPresent() && current.get().number() == number) {
                throw new RefusedException(id(number) + " is the machine image. Roll back to another one first.");
            }
            if (stored.record().pinned()) {
                throw new RefusedException(id(number) + " is pinned. Unpin it first.");
            }
            removeFiles(number);
            return null;
        });
    }

    /** Removes a generation unless that may not be any more; returns whether it is gone. */
    boolean release(int number) throws IOException {
        return locked(() -> {
            Optional<Stored> current = settle();
            Optional<Stored> stored = stored(number);
            if (stored.isEmpty()) {
                return true;
            }
            boolean held = (current.isPresent() && current.get().number() == number)
                    || stored.get().record().pinned()
                    || stored.get().record().problem().isPresent();
            if (!held) {
                removeFiles(number);
            }
            return !held;
        });
    }

    private void removeFiles(int number) throws IOException {
        Path gone = transientFile(number + ".img.removed");
        DurableFiles.rename(paths.generation(type, number), gone);
        // Emptied before it is removed: some file systems free what an unlinked file took up only some time later, and
        // whoever makes room wants to see how much there is.
        Files.setPosixFilePermissions(gone, PosixFilePermissions.fromString("rw-------"));
        FileChannel.open(gone, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)
                .close();
        Files.delete(gone);
        removeBroken(number);
        removeLoneRecords();
        AtomicFiles.sync(paths.generations(type));
    }

    /** What was set aside shares the generation's blocks, and would keep them. */
    private void removeBroken(int number) throws IOException {
        Path broken = paths.broken(type);
        if (Files.isRegularFile(broken)) {
            Optional<GenerationMark> mark = GenerationMark.read(broken);
            if (mark.isPresent()
                    && mark.get().fits(type, broken)
                    && mark.get().generation().number() == number) {
                Files.delete(broken);
            }
        }
    }

    // ---- Fragmentation.

    /** The extents of the machine image's generation, if re-packing it is worthwhile. Changes nothing. */
    OptionalLong fragments(Repacker repacker) throws IOException {
        Place place = place();
        if (place.kind() != Place.Kind.GENERATION) {
            return OptionalLong.empty();
        }
        Optional<Stored> current = stored(place.generation());
        if (current.isEmpty() || current.get().record().problem().isPresent()) {
            return OptionalLong.empty();
        }
        long extents = Repacker.extents(paths.generation(type, place.generation()));
        return repacker.isWorthwhile(extents, current.get().record().packedExtents())
                ? OptionalLong.of(extents)
                : OptionalLong.empty();
    }

    /** What {@link #repack} takes up at most. */
    long spaceToRepack() throws IOException {
        Place place = place();
        return place.kind() == Place.Kind.GENERATION
                ? SparseCopier.spaceOfCopy(paths.generation(type, place.generation()))
                : 0;
    }

    /**
     * Has a copy in few extents take the place of the machine image's generation, and a clone of that the machine image's.
     * The lock is not held while it is made, so it is for nothing if another generation becomes the machine image meanwhile.
     *
     * @return for people, what was done; empty if it was for nothing
     */
    Optional<String> repack() throws IOException {
        Place place = place();
        Path image = paths.image(type);
        if (place.kind() != Place.Kind.GENERATION) {
            return Optional.empty();
        }
        int number = place.generation();
        Path generation = paths.generation(type, number);
        Object inode = inode(generation);
        try (UnfinishedFiles unfinished = UnfinishedFiles.in(image.getParent())) {
            Path copy = unfinished.image();
            long before = Repacker.extents(generation);
            try {
                Repacker.repack(generation, copy);
            } catch (IOException e) {
                if (!place().is(number)) {
                    return Optional.empty();
                }
                throw e;
            }
            long after = Repacker.extents(copy);
            return locked(() -> {
                settle();
                if (!place().is(number) || !inode.equals(inode(generation))) {
                    return Optional.empty();
                }
                boolean better = after <= before / 2;
                if (better) {
                    DurableFiles.rename(copy, generation);
                    publish(number, GenerationMark.modified(image));
                }
                // Otherwise it would be tried again and again.
                Stored stored = stored(number).orElseThrow();
                write(number, writable(stored).withPackedExtents(better ? after : before));
                return Optional.of(id(number) + (better ? " is" : " cannot be") + " re-packed: it has " + before
                        + " extents, a copy " + after);
            });
        }
    }

    private static Object inode(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    // ---- Files.

    private GenerationId id(int number) {
        return new GenerationId(type, number);
    }

    private Path transientFile(String name) {
        return paths.generations(type).resolve(TRANSIENT + name);
    }

    private Optional<Stored> stored(int number) throws IOException {
        return Files.isRegularFile(paths.generation(type, number))
                ? Optional.of(new Stored(number, true, GenerationRecord.read(paths.record(type, number))))
                : Optional.empty();
    }

    /** For people, who may have mistyped the type's name. */
    private <T> T requested(TypeLock.Work<T, RefusedException> work) throws IOException, RefusedException {
        if (!hasAnything()) {
            throw new RefusedException(type + " has no machine image and no generations (" + paths.image(type) + ").");
        }
        return locked(work);
    }

    private Stored existing(int number) throws IOException, RefusedException {
        Optional<Stored> stored = stored(number);
        if (stored.isEmpty()) {
            List<Integer> numbers = scan().values().stream()
                    .filter(Stored::hasImage)
                    .map(Stored::number)
                    .sorted(Comparator.reverseOrder())
                    .toList();
            throw new RefusedException("There is no generation " + number + " of " + type + "; "
                    + (numbers.isEmpty() ? "it has none." : "it has " + numbers + "."));
        }
        return stored.get();
    }

    /** The record to write a change into. */
    private GenerationRecord writable(Stored stored) throws IOException {
        GenerationRecord record = stored.record();
        if (record.isForeign()) {
            throw new IOException(id(stored.number()) + " cannot be changed: "
                    + record.problem().orElseThrow() + "; use the version that wrote it");
        }
        return record.problem().isEmpty()
                ? record
                : record.withSize(clock.instant(), Files.size(paths.generation(type, stored.number())));
    }

    private void write(int number, GenerationRecord record) throws IOException {
        DurableFiles.write(paths.record(type, number), record.toBytes());
    }

    private void cloneSynced(Path from, Path to) throws IOException {
        boolean cloned = false;
        try {
            cloner.clone(from, to);
            protect(to);
            AtomicFiles.sync(to);
            cloned = true;
        } finally {
            if (!cloned) {
                Files.deleteIfExists(to);
            }
        }
    }

    private static void protect(Path image) throws IOException {
        Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("r--------"));
    }
}
