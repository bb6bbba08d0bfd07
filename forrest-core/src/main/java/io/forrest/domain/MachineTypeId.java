package io.forrest.domain;

import java.util.regex.Pattern;

/**
 * Names a machine type: the recipe for machines of one repository, {@code owner/repository/type}.
 *
 * <p>The type is part of runner names, of labels and of paths. GitHub allows 64 characters in a runner's name, of which
 * {@link MachineId} needs 25 for itself.
 */
public record MachineTypeId(RepositoryId repository, String type) implements Comparable<MachineTypeId> {
    private static final Pattern TYPE = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,38}");

    public MachineTypeId {
        if (!isTypeName(type)) {
            throw new IllegalArgumentException(
                    "\"" + type + "\" cannot name a machine type: use up to 39 of A-Z a-z 0-9 . _ -");
        }
    }

    /** Whether a machine type can have this name. */
    public static boolean isTypeName(String text) {
        return TYPE.matcher(text).matches();
    }

    /** Reads {@code owner/repository/type}; throws {@link IllegalArgumentException} that says what is wrong. */
    public static MachineTypeId parse(String text) {
        int slash = text.lastIndexOf('/');
        if (slash < 0 || text.indexOf('/') == slash) {
            throw new IllegalArgumentException("\"" + text + "\" is not of the form owner/repository/machine-type");
        }
        return new MachineTypeId(RepositoryId.parse(text.substring(0, slash)), text.substring(slash + 1));
    }

    @Override
    public int compareTo(MachineTypeId that) {
        int byRepository = repository.compareTo(that.repository);
        return byRepository != 0 ? byRepository : type.compareTo(that.type);
    }

    @Override
    public String toString() {
        return repository + "/" + type;
    }
}
