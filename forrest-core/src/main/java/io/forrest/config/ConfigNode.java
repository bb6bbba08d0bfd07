package io.forrest.config;

import java.util.Collection;
import java.util.List;
import java.util.Map;

/**
 * A node of the tree after merges.
 *
 * <p>Nodes are shared where the file has aliases, so the tree takes no more memory than the file; its size with all
 * aliases written out is known without walking it.
 */
sealed interface ConfigNode {
    /** Where it begins, counted from 1. */
    int line();

    /** The number of nodes below and including this one, with all aliases written out. */
    long size();

    /** The number of levels below and including this one. */
    int depth();

    /**
     * A value as it stands in the file, quotes and escapes undone.
     *
     * @param isNull there is nothing, or {@code null} or {@code ~} without quotes
     */
    record Scalar(String text, boolean isNull, int line) implements ConfigNode {
        @Override
        public long size() {
            return 1;
        }

        @Override
        public int depth() {
            return 1;
        }
    }

    /** A list. */
    record Sequence(List<ConfigNode> items, int line, long size, int depth) implements ConfigNode {
        static Sequence of(List<ConfigNode> items, int line) {
            return new Sequence(List.copyOf(items), line, sizeAbove(items), depthAbove(items));
        }
    }

    /**
     * A mapping.
     *
     * @param complete whether all its entries could be found out; if not, a problem was reported already
     */
    record Mapping(Map<String, Entry> entries, int line, boolean complete, long size, int depth) implements ConfigNode {
        static Mapping of(Map<String, Entry> entries, int line, boolean complete) {
            List<ConfigNode> values =
                    entries.values().stream().map(Entry::value).toList();
            return new Mapping(entries, line, complete, sizeAbove(values), depthAbove(values));
        }
    }

    /** An entry of a mapping; {@code keyLine} is where its key stands, in a merged mapping where it comes from. */
    record Entry(int keyLine, ConfigNode value) {
        /** Where somebody has to look: at the value if that is one, at the key if it is a whole section. */
        int line() {
            return value instanceof Scalar ? value.line() : keyLine;
        }
    }

    /** Stands where the file has something impossible that was reported already. */
    record Broken(int line) implements ConfigNode {
        @Override
        public long size() {
            return 1;
        }

        @Override
        public int depth() {
            return 1;
        }
    }

    private static long sizeAbove(Collection<ConfigNode> nodes) {
        long size = 1;
        for (ConfigNode node : nodes) {
            // Aliases of aliases double with each line, so the sum saturates: a billion laughs are many, not negative.
            size = Math.min(size + node.size(), Integer.MAX_VALUE);
        }
        return size;
    }

    private static int depthAbove(Collection<ConfigNode> nodes) {
        return 1 + nodes.stream().mapToInt(ConfigNode::depth).max().orElse(0);
    }
}
