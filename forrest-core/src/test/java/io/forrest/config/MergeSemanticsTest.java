package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.testng.annotations.Test;

/** Holds the tree after merges against a second, simpler reading of what merges mean, on random documents. */
public class MergeSemanticsTest {
    private static final int DOCUMENTS = 2000;

    @Test
    public void randomMergesGiveTheSameTreeAsPuttingTheirKeysInOneByOne() {
        for (long seed = 0; seed < DOCUMENTS; seed++) {
            RandomDocument random = new RandomDocument(seed);
            ConfigDocument document = ConfigDocumentTest.read(random.yaml.toString());
            assertThat(ConfigDocumentTest.plain(document.root()))
                    .as("seed %d:\n%s", seed, random.yaml)
                    .isEqualTo(withoutDots(random.root));
        }
    }

    @Test
    public void everyValueHasTheLineThatItIsWrittenIn() {
        for (long seed = 0; seed < DOCUMENTS; seed++) {
            RandomDocument random = new RandomDocument(seed);
            ConfigDocument document = ConfigDocumentTest.read(random.yaml.toString());
            Map<String, Integer> lines = new HashMap<>();
            List<String> text = random.yaml.toString().lines().toList();
            // Each value is another word, and stands on a line of its own.
            IntStream.range(0, text.size())
                    .filter(i -> text.get(i).contains(": v"))
                    .forEach(i -> lines.put(text.get(i).replaceFirst(".*: ", ""), i + 1));
            checkLines(document, "", withoutDots(random.root), lines, "seed " + seed + ":\n" + random.yaml);
        }
    }

    private static void checkLines(
            ConfigDocument document, String path, Map<String, Object> at, Map<String, Integer> lines, String context) {
        at.forEach((key, value) -> {
            String childPath = path.isEmpty() ? key : path + "." + key;
            if (value instanceof String word) {
                assertThat(document.line(childPath))
                        .as("%s in %s", childPath, context)
                        .hasValue(lines.get(word));
            } else {
                checkLines(document, childPath, mapping(value), lines, context);
            }
        });
    }

    private static Map<String, Object> withoutDots(Map<String, Object> mapping) {
        Map<String, Object> kept = new LinkedHashMap<>();
        mapping.forEach((key, value) -> {
            if (!key.startsWith(".")) {
                kept.put(key, value instanceof String ? value : withoutDots(mapping(value)));
            }
        });
        return kept;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> mapping(Object value) {
        return (Map<String, Object>) value;
    }

    /** A block-style document of mappings with anchors, aliases and merges, and what it means. */
    private static final class RandomDocument {
        private final Random random;
        private final StringBuilder yaml = new StringBuilder();
        private final Map<String, Map<String, Object>> anchors = new LinkedHashMap<>();
        private final Map<String, Object> root;
        private int words;

        RandomDocument(long seed) {
            this.random = new Random(seed);
            this.root = mapping(0);
        }

        /** Writes a mapping and returns its meaning. */
        private Map<String, Object> mapping(int level) {
            List<String> keys = new ArrayList<>(List.of("a", "b", "c", "d", "e", ".f", "g.h"));
            Collections.shuffle(keys, random);
            int count = 1 + random.nextInt(4);
            int mergeAt = random.nextInt(2 * count);
            Map<String, Object> own = new LinkedHashMap<>();
            List<Map<String, Object>> merged = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                if (i == mergeAt && !anchors.isEmpty()) {
                    merged = merge(level);
                }
                own.put(keys.get(i), value(level, keys.get(i)));
            }
            Map<String, Object> meaning = new LinkedHashMap<>();
            Collections.reverse(merged);
            merged.forEach(meaning::putAll);
            meaning.putAll(own);
            return meaning;
        }

        private Object value(int level, String key) {
            indent(level).append(key).append(':');
            int kind = random.nextInt(6);
            if (kind == 0 && !anchors.isEmpty()) {
                String anchor = anyAnchor();
                yaml.append(" *").append(anchor).append('\n');
                return anchors.get(anchor);
            }
            if (kind <= 3 && level < 4) {
                String anchor = "x" + anchors.size() + "-" + words++;
                boolean anchored = random.nextBoolean();
                yaml.append(anchored ? " &" + anchor : "").append('\n');
                Map<String, Object> meaning = mapping(level + 1);
                if (anchored) {
                    anchors.put(anchor, meaning);
                }
                return meaning;
            }
            String word = "v" + words++;
            yaml.append(' ').append(word).append('\n');
            return word;
        }

        private List<Map<String, Object>> merge(int level) {
            List<Map<String, Object>> merged = new ArrayList<>();
            if (random.nextBoolean()) {
                String anchor = anyAnchor();
                indent(level).append("<< : *").append(anchor).append('\n');
                merged.add(anchors.get(anchor));
                return merged;
            }
            indent(level).append("<< :\n");
            for (int i = random.nextInt(3); i >= 0; i--) {
                if (random.nextInt(4) == 0) {
                    String word = "v" + words++;
                    String key = random.nextBoolean() ? "a" : "e";
                    indent(level)
                            .append("  - ")
                            .append(key)
                            .append(": ")
                            .append(word)
                            .append('\n');
                    merged.add(Map.of(key, word));
                } else {
                    String anchor = anyAnchor();
                    indent(level).append("  - *").append(anchor).append('\n');
                    merged.add(anchors.get(anchor));
                }
            }
            return merged;
        }

        private String anyAnchor() {
            return new ArrayList<>(anchors.keySet()).get(random.nextInt(anchors.size()));
        }

        private StringBuilder indent(int level) {
            return yaml.append("  ".repeat(level));
        }
    }
}
