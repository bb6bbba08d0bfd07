package io.forrest.domain;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * A repository at the forge, {@code owner/name}.
 *
 * <p>GitHub ignores case in both parts, so equality does, too; the spelling it was made with is kept for paths and
 * messages. Neither part can be mistaken for a path: both become directory names.
 */
public record RepositoryId(String owner, String name) implements Comparable<RepositoryId> {
    private static final Pattern OWNER = Pattern.compile("[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,98})");
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,100}");

    public RepositoryId {
        if (!OWNER.matcher(owner).matches()) {
            throw new IllegalArgumentException("\"" + owner + "\" is not an owner's name at GitHub");
        }
        if (!NAME.matcher(name).matches() || name.equals(".") || name.equals("..")) {
            throw new IllegalArgumentException("\"" + name + "\" is not a repository's name at GitHub");
        }
    }

    /** Reads {@code owner/name}; throws {@link IllegalArgumentException} that says what is wrong. */
    public static RepositoryId parse(String text) {
        int slash = text.indexOf('/');
        if (slash < 0) {
            throw new IllegalArgumentException("\"" + text + "\" is not of the form owner/repository");
        }
        return new RepositoryId(text.substring(0, slash), text.substring(slash + 1));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RepositoryId that
                && owner.equalsIgnoreCase(that.owner)
                && name.equalsIgnoreCase(that.name);
    }

    @Override
    public int hashCode() {
        return toString().toLowerCase(Locale.ROOT).hashCode();
    }

    @Override
    public int compareTo(RepositoryId that) {
        return toString().compareToIgnoreCase(that.toString());
    }

    @Override
    public String toString() {
        return owner + "/" + name;
    }
}
