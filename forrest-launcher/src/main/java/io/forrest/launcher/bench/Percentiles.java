package io.forrest.launcher.bench;

import java.util.List;

/** Figures in order. */
final class Percentiles {
    private final List<Double> sorted;

    /** Throws {@link IllegalArgumentException} if there are none. */
    Percentiles(List<Double> figures) {
        if (figures.isEmpty()) {
            throw new IllegalArgumentException("no figures");
        }
        sorted = figures.stream().sorted().toList();
    }

    int count() {
        return sorted.size();
    }

    /** The smallest figure that is not exceeded by {@code percent} of all (nearest rank). */
    double percentile(int percent) {
        int rank = (int) Math.ceil(percent / 100.0 * sorted.size());
        return sorted.get(Math.max(0, rank - 1));
    }
}
