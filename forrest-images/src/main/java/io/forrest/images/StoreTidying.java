package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Does once what is to be done now and then for all images. What cannot be done for one type does not keep it from others. */
final class StoreTidying {
    private static final Logger LOG = LoggerFactory.getLogger(StoreTidying.class);

    private final StoreFiles files;
    private final Retention retention;
    private final RetentionRule rule;
    private final Repacker repacker;
    private Optional<PluginException> failure = Optional.empty();

    StoreTidying(StoreFiles files, Retention retention, Set<DiskOrigin> inUse, Repacker repacker) {
        this.files = files;
        this.retention = retention;
        this.repacker = repacker;
        this.rule = new RetentionRule(
                retention, inUse.stream().map(DiskOrigin::version).collect(Collectors.toSet()), files.now());
    }

    /** One step for one type. */
    @FunctionalInterface
    private interface Step {
        void run(TypeImages images) throws IOException;
    }

    /** Throws the first failure, after all else is done. */
    void run() throws PluginException {
        attemptLeftOvers();
        for (MachineTypeId type : Failures.translating("the machine images cannot be listed", files::types)) {
            attempt(type, TypeImages::tidy);
            attempt(type, images -> removeBeyond(images.history()));
        }
        attemptSpace();
        attemptRepack();
        if (failure.isPresent()) {
            throw failure.get();
        }
    }

    private void attempt(MachineTypeId type, Step step) {
        try {
            step.run(files.of(type));
        } catch (IOException e) {
            failed("the images of " + type + " cannot be tidied", e);
        }
    }

    private void failed(String what, IOException cause) {
        PluginException failed = Failures.failed(what, cause);
        failure.ifPresentOrElse(first -> first.addSuppressed(failed), () -> failure = Optional.of(failed));
    }

    private void removeBeyond(List<Generation> history) throws IOException {
        for (Generation generation : history) {
            generation.problem().ifPresent(problem -> LOG.warn("{} is kept as it is: {}.", generation.id(), problem));
        }
        for (Generation generation : rule.beyond(history)) {
            remove(generation, "the retention keeps no more or none so old");
        }
    }

    private void attemptLeftOvers() {
        try {
            files.removeLeftOvers();
        } catch (IOException e) {
            failed("what was left unfinished cannot be removed", e);
        }
    }

    private void attemptRepack() {
        try {
            repackWorst();
        } catch (IOException e) {
            failed("the machine images cannot be re-packed", e);
        }
    }

    /** One at a time: it takes minutes, and its copy shares nothing with the generations before it. */
    private void repackWorst() throws IOException {
        NavigableMap<Long, MachineTypeId> fragmented = new TreeMap<>();
        for (MachineTypeId type : files.types()) {
            attempt(type, images -> images.fragments(repacker).ifPresent(extents -> fragmented.put(extents, type)));
        }
        for (MachineTypeId type : fragmented.descendingMap().values()) {
            TypeImages images = files.of(type);
            long leftBytes = files.freeSpace().bytes() - images.spaceToRepack();
            if (leftBytes >= retention.freeSpace().bytes()) {
                images.repack().ifPresent(LOG::info);
                return;
            }
            LOG.warn("The image of {} is fragmented, and there is no room to re-pack it.", type);
        }
    }

    private void attemptSpace() {
        try {
            makeSpace();
        } catch (IOException e) {
            failed("no space can be made on " + files.paths().baseDirectory(), e);
        }
    }

    private void makeSpace() throws IOException {
        if (hasSpace()) {
            return;
        }
        List<Generation> all = new ArrayList<>();
        for (MachineTypeId type : files.types()) {
            attempt(type, images -> all.addAll(images.history()));
        }
        for (Generation generation : rule.forSpace(all)) {
            files.syncFileSystem();
            if (hasSpace()) {
                return;
            }
            remove(generation, "less than " + retention.freeSpace() + " is free");
        }
    }

    private boolean hasSpace() throws IOException {
        return files.freeSpace().compareTo(retention.freeSpace()) >= 0;
    }

    private void remove(Generation generation, String why) throws IOException {
        GenerationId id = generation.id();
        if (files.of(id.type()).release(id.number())) {
            LOG.info("{} is removed: {}.", id, why);
        }
    }
}
