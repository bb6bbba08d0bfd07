package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import io.forrest.spi.Retention;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Which generations a {@link Retention} lets go. */
final class RetentionRule {
    private final Retention retention;
    private final Set<String> inUse;
    private final Instant now;

    /** {@code inUse} are versions of generations that machines run on. */
    RetentionRule(Retention retention, Set<String> inUse, Instant now) {
        this.retention = retention;
        this.inUse = Set.copyOf(inUse);
        this.now = now;
    }

    /** Of one type's generations, the newest first, those that are too many or too old; the oldest first. */
    List<Generation> beyond(List<Generation> history) {
        Set<GenerationId> kept = kept(history);
        List<Generation> beyond = new ArrayList<>();
        for (Generation generation : removable(history)) {
            if (!kept.contains(generation.id()) || isOld(generation)) {
                beyond.add(0, generation);
            }
        }
        return beyond;
    }

    /** What goes while there is too little space, of all types; the oldest first. */
    List<Generation> forSpace(List<Generation> all) {
        return removable(all).stream()
                .sorted(Comparator.comparing(
                        (Generation generation) -> generation.madeAt().orElseThrow()))
                .toList();
    }

    /** As many as are to stay: the machine image, what to fall back to, and the newest. */
    private Set<GenerationId> kept(List<Generation> history) {
        Set<GenerationId> kept = new HashSet<>();
        Optional<Generation> current =
                history.stream().filter(Generation::current).findFirst();
        current.ifPresent(generation -> kept.add(generation.id()));
        for (Generation generation : history) {
            if (kept.size() < retention.generations()) {
                kept.add(generation.id());
            }
        }
        int newest = current.map(generation -> generation.id().number()).orElse(Integer.MAX_VALUE);
        history.stream()
                .filter(generation -> generation.id().number() < newest && generation.proven() && generation.good())
                .findFirst()
                .ifPresent(generation -> kept.add(generation.id()));
        return kept;
    }

    /** Of generations of any types, in their order. */
    private List<Generation> removable(List<Generation> generations) {
        Map<MachineTypeId, Integer> newest = generations.stream()
                .collect(Collectors.toMap(
                        generation -> generation.id().type(),
                        generation -> generation.id().number(),
                        Integer::max));
        return generations.stream()
                .filter(this::isRemovable)
                .filter(generation -> !mayBeTakenBack(generation)
                        || generation.id().number() < newest.get(generation.id().type()))
                .toList();
    }

    /** It is only suspected, and the newest is what machines would start from if it turns out not to be at fault. */
    private static boolean mayBeTakenBack(Generation generation) {
        return generation.setAside().filter(setAside -> !setAside.byHand()).isPresent();
    }

    private boolean isRemovable(Generation generation) {
        return !generation.current()
                && !generation.pinned()
                && generation.problem().isEmpty()
                && !inUse.contains(generation.id().toString());
    }

    private boolean isOld(Generation generation) {
        Instant made = generation.madeAt().orElseThrow();
        return retention.age().isPresent()
                && Duration.between(made, now).compareTo(retention.age().get()) > 0;
    }
}
