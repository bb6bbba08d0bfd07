package io.forrest.config;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * Makes the tree after merges from what SnakeYAML composed, which is a graph: an alias is the node it stands for, and it
 * may stand for one that it is itself a part of.
 *
 * <p>Each node of the file is made once and used wherever it is aliased. The children of a node are made in the order
 * of the file, merged ones included, so that what an alias stands for was made before the alias is met: the recursion
 * is never deeper than the file's own levels.
 *
 * <p>Used once.
 */
final class ConfigTreeBuilder {
    /** More than {@link ConfigDocument#MOST_NODES}: snippets need not be small to be used in small parts. */
    private static final int MOST_STEPS = 5 * ConfigDocument.MOST_NODES;

    /** Aliases can make a tree far deeper than the file. */
    private static final int MOST_LEVELS = 100;

    private static final String SNIPPETS = "_snippets";
    private static final String STANDARD_TAGS = "tag:yaml.org,2002:";

    private final ConfigProblems problems;
    private final IdentityHashMap<Node, ConfigNode> made = new IdentityHashMap<>();
    private final Set<Node> begun = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Deque<String> path = new ArrayDeque<>();
    private int steps;

    private ConfigTreeBuilder(ConfigProblems problems) {
        this.problems = problems;
    }

    static Optional<ConfigNode.Mapping> build(Node root, ConfigProblems problems) {
        ConfigNode node;
        try {
            node = new ConfigTreeBuilder(problems).root(root);
        } catch (TooMuch e) {
            problems.addForFile("The file merges more than " + MOST_STEPS + " values.", "Use fewer merges of merges.");
            return Optional.empty();
        }
        if (node.size() > ConfigDocument.MOST_NODES) {
            problems.addForFile(
                    "With its aliases written out, the file has more than " + ConfigDocument.MOST_NODES + " values.",
                    "Use fewer aliases of aliases.");
            return Optional.empty();
        }
        if (node.depth() > MOST_LEVELS) {
            problems.addForFile(
                    "With its aliases written out, the file has more than " + MOST_LEVELS + " levels.",
                    "Use fewer aliases of aliases.");
            return Optional.empty();
        }
        if (node instanceof ConfigNode.Mapping mapping) {
            return Optional.of(mapping);
        }
        if (!(node instanceof ConfigNode.Broken)) {
            problems.add(
                    node.line(),
                    "",
                    "The file is not a mapping.",
                    "It needs the sections host, github and repositories.");
        }
        return Optional.empty();
    }

    private ConfigNode root(Node root) {
        ConfigNode node = make(root, line(root));
        if (!(node instanceof ConfigNode.Mapping mapping)) {
            return node;
        }
        Map<String, ConfigNode.Entry> kept = new LinkedHashMap<>(mapping.entries());
        kept.keySet().removeIf(key -> key.endsWith(SNIPPETS));
        return ConfigNode.Mapping.of(Collections.unmodifiableMap(kept), mapping.line(), mapping.complete());
    }

    /** @param line where {@code node} is used; an alias of a node that contains it has no other place to be told by */
    private ConfigNode make(Node node, int line) {
        ConfigNode known = made.get(node);
        if (known != null) {
            return known;
        }
        if (!begun.add(node)) {
            problem(line, "An alias stands for something that it is itself a part of.", "Remove the alias.");
            return new ConfigNode.Broken(line);
        }
        step();
        ConfigNode result = makeNew(node);
        begun.remove(node);
        made.put(node, result);
        return result;
    }

    private ConfigNode makeNew(Node node) {
        if (!node.getTag().startsWith(STANDARD_TAGS)) {
            problem(
                    line(node),
                    "The tag " + Display.clean(node.getTag().getValue()) + " means nothing here.",
                    "Remove it, or put quotes around a value that begins with an exclamation mark.");
            return new ConfigNode.Broken(line(node));
        }
        if (node instanceof ScalarNode scalar) {
            return new ConfigNode.Scalar(scalar.getValue(), scalar.getTag().equals(Tag.NULL), line(node));
        }
        if (node instanceof SequenceNode sequence) {
            List<ConfigNode> items = new ArrayList<>();
            for (Node item : sequence.getValue()) {
                path.addLast("[" + items.size() + "]");
                items.add(make(item, line(item)));
                path.removeLast();
            }
            return ConfigNode.Sequence.of(items, line(node));
        }
        return mapping((MappingNode) node);
    }

    private ConfigNode mapping(MappingNode node) {
        Map<String, ConfigNode.Entry> entries = new LinkedHashMap<>();
        Map<String, Integer> keyLines = new HashMap<>();
        List<ConfigNode.Mapping> bases = new ArrayList<>();
        boolean complete = true;
        for (NodeTuple tuple : node.getValue()) {
            Node keyNode = tuple.getKeyNode();
            int keyLine = line(keyNode);
            if (!(keyNode instanceof ScalarNode keyScalar)
                    || keyScalar.getValue().isEmpty()) {
                problem(keyLine, "A key is not a word.", "Write key: value, and quotes around [ { and the like.");
                complete = false;
                continue;
            }
            String key = keyScalar.getValue();
            boolean merge = keyNode.getTag().equals(Tag.MERGE);
            path.addLast(Display.key(key));
            ConfigNode value = make(tuple.getValueNode(), keyLine);
            Integer before = keyLines.putIfAbsent(key, keyLine);
            if (before != null) {
                problem(
                        keyLine,
                        "The key is there twice, first in line " + before + ".",
                        merge ? "Merge several with one list: << : [*first, *second]" : "Remove one of them.");
            } else if (merge) {
                complete &= addBases(value, keyLine, bases);
            } else {
                entries.put(key, new ConfigNode.Entry(keyLine, value));
            }
            path.removeLast();
        }
        for (ConfigNode.Mapping base : bases) {
            complete &= base.complete();
            base.entries().forEach((key, entry) -> {
                step();
                // What is there wins: the mapping's own keys over merged ones, earlier bases over later ones.
                entries.putIfAbsent(key, entry);
            });
        }
        entries.keySet().removeIf(key -> key.startsWith("."));
        return ConfigNode.Mapping.of(Collections.unmodifiableMap(entries), line(node), complete);
    }

    /** Returns whether all of them could be used. */
    private boolean addBases(ConfigNode value, int line, List<ConfigNode.Mapping> bases) {
        List<ConfigNode> nodes = value instanceof ConfigNode.Sequence list ? list.items() : List.of(value);
        boolean complete = true;
        for (ConfigNode node : nodes) {
            step();
            if (node instanceof ConfigNode.Mapping base) {
                bases.add(base);
            } else {
                if (!(node instanceof ConfigNode.Broken)) {
                    problem(
                            line,
                            "Only mappings can be merged.",
                            "Write << : *anchor or << : [*first, *second], where the anchors are at mappings.");
                }
                complete = false;
            }
        }
        return complete;
    }

    private void step() {
        if (++steps > MOST_STEPS) {
            throw new TooMuch();
        }
    }

    private void problem(int line, String what, String remedy) {
        StringBuilder where = new StringBuilder();
        for (String step : path) {
            where.append(where.isEmpty() || step.startsWith("[") ? "" : ".").append(step);
        }
        problems.add(line, where.toString(), what, remedy);
    }

    private static int line(Node node) {
        return node.getStartMark().getLine() + 1;
    }

    /** The file stands for more than its size allows to expect. */
    private static final class TooMuch extends RuntimeException {}
}
