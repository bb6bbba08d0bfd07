package io.forrest.config;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.composer.Composer;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.events.Event;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.parser.Parser;
import org.yaml.snakeyaml.parser.ParserImpl;
import org.yaml.snakeyaml.reader.ReaderException;
import org.yaml.snakeyaml.reader.StreamReader;
import org.yaml.snakeyaml.resolver.Resolver;

/**
 * A configuration file as a tree after merges, without the keys that are dropped, and with the lines that everything
 * comes from. Immutable.
 */
public final class ConfigDocument {
    /** Thousands of machine types fit. */
    static final int MOST_BYTES = 2 << 20;

    /** In the file, and again with all aliases written out. Each costs a few hundred bytes while the file is read. */
    static final int MOST_NODES = 200_000;

    /** Literal levels; SnakeYAML recurses by them. */
    private static final int MOST_LEVELS = 50;

    private static final String SYNTAX_REMEDY = "Check the indentation (spaces, no tabs), and put quotes around a value"
            + " that holds \": \" or begins with one of [ { * & ! % @ `";

    private final ConfigNode.Mapping root;

    private ConfigDocument(ConfigNode.Mapping root) {
        this.root = root;
    }

    /**
     * Reads the tree. Whatever the bytes are, this takes time and memory in proportion to {@link #MOST_BYTES}, and what
     * is wrong is reported.
     *
     * @return empty if there is no tree at all; with problems there may still be one, to look for more of them
     */
    static Optional<ConfigDocument> read(byte[] yaml, ConfigProblems problems) {
        return decode(yaml, problems)
                .flatMap(text -> compose(text, problems))
                .flatMap(node -> ConfigTreeBuilder.build(node, problems))
                .map(ConfigDocument::new);
    }

    ConfigNode.Mapping root() {
        return root;
    }

    /**
     * Where the value at a path stands, counted from 1: for a section the line of its key, for what is merged or
     * aliased the line where it is defined.
     *
     * @param path e.g. {@code repositories.acme.firmware.machines.build.shared[0].tag}
     * @return empty if there is nothing at that path
     */
    public OptionalInt line(String path) {
        return path.isEmpty() ? OptionalInt.of(root.line()) : lineBelow(root, path);
    }

    private static OptionalInt lineBelow(ConfigNode node, String path) {
        if (node instanceof ConfigNode.Mapping mapping) {
            // Repositories and machine types may have dots in their names, so each key that fits is tried.
            for (Map.Entry<String, ConfigNode.Entry> entry : mapping.entries().entrySet()) {
                String key = Display.key(entry.getKey());
                if (path.startsWith(key)) {
                    OptionalInt line = lineAfter(
                            entry.getValue().value(),
                            path.substring(key.length()),
                            entry.getValue().line());
                    if (line.isPresent()) {
                        return line;
                    }
                }
            }
        } else if (node instanceof ConfigNode.Sequence sequence) {
            List<ConfigNode> items = sequence.items();
            for (int i = 0; i < items.size(); i++) {
                String index = "[" + i + "]";
                if (path.startsWith(index)) {
                    return lineAfter(
                            items.get(i),
                            path.substring(index.length()),
                            items.get(i).line());
                }
            }
        }
        return OptionalInt.empty();
    }

    private static OptionalInt lineAfter(ConfigNode node, String rest, int line) {
        if (rest.isEmpty()) {
            return OptionalInt.of(line);
        }
        if (rest.startsWith(".")) {
            return lineBelow(node, rest.substring(1));
        }
        return rest.startsWith("[") ? lineBelow(node, rest) : OptionalInt.empty();
    }

    private static Optional<String> decode(byte[] yaml, ConfigProblems problems) {
        if (yaml.length > MOST_BYTES) {
            problems.addForFile(
                    "The file is larger than " + (MOST_BYTES >> 20) + " MiB.", "This is no configuration of machines.");
            return Optional.empty();
        }
        ByteBuffer bytes = ByteBuffer.wrap(yaml);
        try {
            return Optional.of(StandardCharsets.UTF_8.newDecoder().decode(bytes).toString());
        } catch (CharacterCodingException e) {
            // The decoder leaves the buffer at the first byte that it could not take.
            int line = 1;
            for (int i = 0; i < bytes.position(); i++) {
                line += yaml[i] == '\n' ? 1 : 0;
            }
            problems.add(line, "", "The file is not UTF-8 text from here on.", "Save it in UTF-8.");
            return Optional.empty();
        }
    }

    private static Optional<Node> compose(String text, ConfigProblems problems) {
        LoaderOptions options = new LoaderOptions();
        options.setCodePointLimit(MOST_BYTES);
        options.setNestingDepthLimit(MOST_LEVELS);
        // Aliases cost nothing until somebody writes them out; ConfigTreeBuilder counts what they stand for.
        options.setMaxAliasesForCollections(Integer.MAX_VALUE);
        options.setMergeOnCompose(false);
        try {
            Parser parser = new CountingParser(new ParserImpl(new StreamReader(text), options), MOST_NODES);
            Node node = new Composer(parser, new Resolver(), options).getSingleNode();
            if (node == null) {
                problems.addForFile("The file is empty.", "It needs the sections host, github and repositories.");
            }
            return Optional.ofNullable(node);
        } catch (MarkedYAMLException e) {
            // Not its message: that has a piece of the file in it, which may be a secret.
            Optional<Mark> mark = Optional.ofNullable(e.getProblemMark());
            problems.add(
                    mark.map(Mark::getLine).orElse(0) + 1,
                    "",
                    "This is not YAML: " + Display.clean(e.getProblem()) + context(e, mark) + ".",
                    SYNTAX_REMEDY + ".");
        } catch (ReaderException e) {
            problems.add(
                    1
                            + (int) text.codePoints()
                                    .limit(Math.max(0, e.getPosition()))
                                    .filter(character -> character == '\n')
                                    .count(),
                    "",
                    String.format("The character U+%04X may not stand in YAML.", e.getCodePoint()),
                    "Remove it.");
        } catch (YAMLException e) {
            problems.addForFile(
                    "This is not YAML that can be read: " + Display.clean(e.getMessage()) + ".",
                    "A configuration has at most " + MOST_LEVELS + " levels and " + MOST_NODES + " values.");
        } catch (RuntimeException e) {
            // The parser's own faults, on input that nobody writes; the daemon must live through them.
            problems.addForFile(
                    "This is not YAML that can be read: " + e.getClass().getSimpleName() + ".", SYNTAX_REMEDY + ".");
        }
        return Optional.empty();
    }

    /** Ends the reading of a file that has too many values while they still fit into memory. */
    private static final class CountingParser implements Parser {
        private final Parser parser;
        private int left;

        CountingParser(Parser parser, int mostEvents) {
            this.parser = parser;
            this.left = mostEvents;
        }

        @Override
        public boolean checkEvent(Event.ID choice) {
            return parser.checkEvent(choice);
        }

        @Override
        public Event peekEvent() {
            return parser.peekEvent();
        }

        @Override
        public Event getEvent() {
            if (--left < 0) {
                throw new YAMLException("it has too many values");
            }
            return parser.getEvent();
        }
    }

    private static String context(MarkedYAMLException e, Optional<Mark> problemMark) {
        if (e.getContext() == null) {
            return "";
        }
        Optional<Integer> line = Optional.ofNullable(e.getContextMark())
                .map(Mark::getLine)
                .filter(begin -> !begin.equals(problemMark.map(Mark::getLine).orElse(begin)));
        return " " + Display.clean(e.getContext())
                + line.map(begin -> " that begins in line " + (begin + 1)).orElse("");
    }
}
