package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names one generation for ever: numbers are never used again. Written {@code acme/firmware/build@6}, which also is the
 * version of what disks are cloned from.
 *
 * @param number counts from 1
 */
public record GenerationId(MachineTypeId type, int number) {
    private static final Pattern TEXT = Pattern.compile("([^@]+)@([1-9][0-9]{0,8})");

    /** Reads what {@link #toString} wrote; empty for anything else, as is the version of a plain base image. */
    public static Optional<GenerationId> parse(String text) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    new GenerationId(MachineTypeId.parse(matcher.group(1)), Integer.parseInt(matcher.group(2))));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /** For people. */
    String spoken() {
        return "generation " + number + " of " + type;
    }

    @Override
    public String toString() {
        return type + "@" + number;
    }
}
