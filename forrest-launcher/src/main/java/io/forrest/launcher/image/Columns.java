package io.forrest.launcher.image;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** A table for people, its columns as wide as they must be. */
final class Columns {
    private static final String GAP = "  ";
    private static final String UNITS = "BKMGTPE";
    private static final String NOTHING = "-";

    private final List<List<String>> rows = new ArrayList<>();

    Columns(String... titles) {
        rows.add(List.of(titles));
    }

    /** As many cells as there are titles. */
    void row(String... cells) {
        rows.add(List.of(cells).stream()
                .map(cell -> cell.isEmpty() ? NOTHING : cell)
                .toList());
    }

    void print(PrintWriter out) {
        int[] widths = IntStream.range(0, rows.get(0).size())
                .map(column -> rows.stream()
                        .mapToInt(row -> row.get(column).length())
                        .max()
                        .orElse(0))
                .toArray();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < widths.length; column++) {
                line.append(row.get(column));
                line.append(" ".repeat(widths[column] - row.get(column).length()))
                        .append(GAP);
            }
            out.println(line.toString().stripTrailing());
        }
    }

    /** With three digits or fewer: {@code 4.1G}, {@code 32G}, {@code 512B}. */
    static String size(long bytes) {
        double count = bytes;
        int power = 0;
        while (count >= 1000 && power < UNITS.length() - 1) {
            count /= 1024;
            power++;
        }
        boolean whole = count >= 9.95 || count == Math.rint(count);
        return String.format(Locale.ROOT, whole ? "%.0f%c" : "%.1f%c", count, UNITS.charAt(power));
    }

    /** In its largest unit: {@code 3 d}, {@code 5 h}, {@code 20 min}. */
    static String age(Duration age) {
        if (age.toDays() > 0) {
            return age.toDays() + " d";
        }
        return age.toHours() > 0 ? age.toHours() + " h" : Math.max(0, age.toMinutes()) + " min";
    }
}
