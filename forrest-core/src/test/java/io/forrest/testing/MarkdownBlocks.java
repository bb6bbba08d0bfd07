package io.forrest.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The code blocks of the documentation, so that tests can hold it to what it says. */
public final class MarkdownBlocks {
    private static final Pattern FENCE = Pattern.compile("( *)(`{3,})([^`]*)");

    private MarkdownBlocks() {}

    /**
     * A fenced code block.
     *
     * @param language the first word after the fence, e.g. {@code yaml}; empty if there is none
     * @param info what follows it on that line; no reader of Markdown shows it
     * @param text what is between the fences, the indentation of the fence taken away
     * @param line where the text begins, counted from 1
     */
    public record Block(String language, String info, String text, int line) {}

    /** A file of the source tree, e.g. {@code docs/config.md}, from whatever module the test runs in. */
    public static Path sourceFile(String path) {
        for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
            if (Files.exists(at.resolve(path))) {
                return at.resolve(path);
            }
        }
        throw new AssertionError("There is no " + path + " above " + Path.of("").toAbsolutePath() + ".");
    }

    /** All code blocks of a document of the source tree. */
    public static List<Block> of(String path) throws IOException {
        return in(Files.readString(sourceFile(path)));
    }

    /** All code blocks of a text. Throws {@link AssertionError} if one has no end. */
    public static List<Block> in(String markdown) {
        List<Block> blocks = new ArrayList<>();
        List<String> lines = markdown.lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            Matcher fence = FENCE.matcher(lines.get(i));
            if (!fence.matches()) {
                continue;
            }
            String end = fence.group(1) + fence.group(2);
            String[] words = fence.group(3).strip().split(" ", 2);
            int begin = i + 1;
            StringBuilder text = new StringBuilder();
            for (i = begin; i < lines.size() && !lines.get(i).stripTrailing().equals(end); i++) {
                String line = lines.get(i);
                text.append(
                                line.startsWith(fence.group(1))
                                        ? line.substring(fence.group(1).length())
                                        : line.strip())
                        .append('\n');
            }
            if (i == lines.size()) {
                throw new AssertionError("The code block that begins in line " + begin + " has no end.");
            }
            blocks.add(new Block(words[0], words.length > 1 ? words[1].strip() : "", text.toString(), begin + 1));
        }
        return blocks;
    }
}
