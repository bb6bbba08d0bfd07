package io.forrest.config;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** Finds what somebody meant who mistyped it. */
public final class Suggestion {
    private static final int LONGEST = 150;

    private Suggestion() {}

    /** The candidate that {@code typed} is most likely to be a slip of; empty if it looks like none of them. */
    public static Optional<String> closest(String typed, Collection<String> candidates) {
        if (typed.length() > LONGEST) {
            return Optional.empty();
        }
        // More than a slip in three letters is another word.
        int most = Math.max(1, typed.length() / 3);
        record Candidate(String text, int distance) {}
        return candidates.stream()
                .filter(candidate -> Math.abs(candidate.length() - typed.length()) <= most)
                .map(candidate -> new Candidate(candidate, distance(fold(typed), fold(candidate))))
                .filter(candidate -> candidate.distance() <= most)
                .min(Comparator.comparingInt(Candidate::distance).thenComparing(Candidate::text))
                .map(Candidate::text);
    }

    /** Case and the kind of hyphen are no difference between words. */
    private static String fold(String text) {
        return text.toLowerCase(Locale.ROOT).replace('-', '_');
    }

    /** The number of letters to insert, remove, replace or swap with their neighbour to make one text the other. */
    static int distance(String from, String to) {
        int[][] distances = new int[from.length() + 1][to.length() + 1];
        for (int i = 0; i <= from.length(); i++) {
            for (int j = 0; j <= to.length(); j++) {
                if (i == 0 || j == 0) {
                    distances[i][j] = i + j;
                    continue;
                }
                int replaced = distances[i - 1][j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                int shortest = Math.min(replaced, 1 + Math.min(distances[i - 1][j], distances[i][j - 1]));
                if (i > 1
                        && j > 1
                        && from.charAt(i - 1) == to.charAt(j - 2)
                        && from.charAt(i - 2) == to.charAt(j - 1)) {
                    shortest = Math.min(shortest, 1 + distances[i - 2][j - 2]);
                }
                distances[i][j] = shortest;
            }
        }
        return distances[from.length()][to.length()];
    }
}
