package io.forrest.artifacts;

import io.forrest.artifacts.ArtifactException.Kind;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where in a store an artifact goes: the names of directories, and that of a file. None of them leads anywhere but one
 * step down.
 */
public record ArtifactPath(List<String> steps) {
    /** What Linux allows for a name. */
    private static final int MOST_NAME_BYTES = 255;

    /** A stranger could fill a file system with directories; no build nests its files like this. */
    private static final int MOST_STEPS = 64;

    /** Throws {@link IllegalArgumentException} for what {@link #of} refuses. */
    public ArtifactPath {
        steps = List.copyOf(steps);
        problem(steps).ifPresent(problem -> {
            throw new IllegalArgumentException(problem);
        });
    }

    /** Throws {@code BAD_PATH} for what could lead out of a store, and for what no file can be called. */
    public static ArtifactPath of(List<String> steps) throws ArtifactException {
        Optional<String> problem = problem(steps);
        if (problem.isPresent()) {
            throw new ArtifactException(Kind.BAD_PATH, problem.get());
        }
        return new ArtifactPath(steps);
    }

    private static Optional<String> problem(List<String> steps) {
        if (steps.isEmpty()) {
            return Optional.of("An artifact needs a name.");
        }
        if (steps.size() > MOST_STEPS) {
            return Optional.of("An artifact can be " + MOST_STEPS + " directories deep, and not deeper.");
        }
        return steps.stream().flatMap(step -> problem(step).stream()).findFirst();
    }

    private static Optional<String> problem(String step) {
        String problem = null;
        if (step.isEmpty() || step.equals(".") || step.equals("..") || step.indexOf('/') >= 0) {
            problem = "An artifact's path goes down from name to name; it has no empty name, no . and no ..";
        } else if (step.chars().anyMatch(Character::isISOControl)) {
            problem = "An artifact's name has no control characters.";
        } else if (step.getBytes(StandardCharsets.UTF_8).length > MOST_NAME_BYTES) {
            problem = "An artifact's name has " + MOST_NAME_BYTES + " bytes at most.";
        } else if (step.startsWith(StoreDirectory.UNFINISHED)) {
            problem = "Names that begin with " + StoreDirectory.UNFINISHED + " are those of unfinished uploads.";
        } else if (!isPossible(step)) {
            problem = "No file can have this name here: " + step + ".";
        }
        return Optional.ofNullable(problem);
    }

    /** In a locale without them, Java has no file names beyond ASCII. */
    private static boolean isPossible(String step) {
        try {
            return Path.of(step).getNameCount() == 1;
        } catch (InvalidPathException e) {
            return false;
        }
    }

    List<String> directories() {
        return steps.subList(0, steps.size() - 1);
    }

    String name() {
        return steps.get(steps.size() - 1);
    }

    /** For people; between steps a slash. */
    @Override
    public String toString() {
        return String.join("/", steps);
    }
}
