package io.forrest.config;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Collects the problems of one configuration.
 *
 * <p>A wrong value that is merged or aliased into many places is one problem, told with the first place and the number
 * of the others. Not thread-safe.
 */
final class ConfigProblems {
    private final Map<Cause, List<String>> pathsByCause = new LinkedHashMap<>();

    /** What makes two problems the same is that one edit mends both: of the path, only the key counts. */
    private record Cause(OptionalInt line, String key, String what, String remedy) {}

    void add(int line, String path, String what, String remedy) {
        pathsByCause
                .computeIfAbsent(
                        new Cause(OptionalInt.of(line), path.substring(path.lastIndexOf('.') + 1), what, remedy),
                        cause -> new ArrayList<>())
                .add(path);
    }

    /** A problem of the whole file. */
    void addForFile(String what, String remedy) {
        pathsByCause
                .computeIfAbsent(new Cause(OptionalInt.empty(), "", what, remedy), cause -> new ArrayList<>())
                .add("");
    }

    boolean isEmpty() {
        return pathsByCause.isEmpty();
    }

    int count() {
        return pathsByCause.size();
    }

    /** By line; those of the whole file come first. */
    List<ConfigProblem> sorted() {
        List<ConfigProblem> problems = new ArrayList<>();
        pathsByCause.forEach((cause, paths) -> problems.add(new ConfigProblem(
                cause.line(), paths.get(0), cause.what(), (cause.remedy() + others(paths.size() - 1)).strip())));
        problems.sort(Comparator.comparingInt(problem -> problem.line().orElse(0)));
        return problems;
    }

    private static String others(int count) {
        return switch (count) {
            case 0 -> "";
            case 1 -> " (The same at 1 other place.)";
            default -> " (The same at " + count + " other places.)";
        };
    }
}
