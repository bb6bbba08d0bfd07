package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class ConfigDocumentTest {
    @Test
    public void aMappingHasTheKeysOfTheOneThatIsMergedIntoIt() {
        assertThat(
                        tree(
                                """
                        .base: &base {a: 1, b: 2}
                        x: {<< : *base, c: 3}
                        """))
                .isEqualTo(Map.of("x", Map.of("a", "1", "b", "2", "c", "3")));
    }

    @Test
    public void whatAMappingSaysItselfWinsWhereverTheMergeStands() {
        assertThat(
                        tree(
                                """
                        .base: &base {a: merged}
                        x: {a: own, << : *base}
                        y: {<< : *base, a: own}
                        """))
                .isEqualTo(Map.of("x", Map.of("a", "own"), "y", Map.of("a", "own")));
    }

    @Test
    public void ofAListOfMergesTheEarlierOneWins() {
        assertThat(
                        tree(
                                """
                        .first: &first {a: first, b: first}
                        .second: &second {b: second, c: second}
                        x: {<< : [*first, *second]}
                        """))
                .isEqualTo(Map.of("x", Map.of("a", "first", "b", "first", "c", "second")));
    }

    @Test
    public void aMergedMappingBringsWhatWasMergedIntoIt() {
        assertThat(
                        tree(
                                """
                        one_snippets:
                          one: &one {a: 1, b: 1}
                          two: &two {<< : *one, b: 2}
                        x: {<< : *two, c: 3}
                        """))
                .isEqualTo(Map.of("x", Map.of("a", "1", "b", "2", "c", "3")));
    }

    @Test
    public void mergesTakeKeysOverWhole() {
        assertThat(
                        tree(
                                """
                        .base: &base {machines: {generator: {ram: 1G}}}
                        x: {<< : *base, machines: {build: {ram: 2G}}}
                        y: {<< : *base}
                        """))
                .isEqualTo(Map.of(
                        "x", Map.of("machines", Map.of("build", Map.of("ram", "2G"))),
                        "y", Map.of("machines", Map.of("generator", Map.of("ram", "1G")))));
    }

    @Test
    public void anAnchorInsideAMappingThatIsMergedElsewhereCanBeMergedOnItsOwn() {
        assertThat(
                        tree(
                                """
                        repository_snippets: {image-machines: &image-machines {machines: {generator: &image-generator {cpus: 4}}}}
                        images:
                          << : *image-machines
                        other: {<< : *image-generator, base_image: x}
                        """))
                .isEqualTo(Map.of(
                        "images", Map.of("machines", Map.of("generator", Map.of("cpus", "4"))),
                        "other", Map.of("cpus", "4", "base_image", "x")));
    }

    @Test
    public void keysThatBeginWithADotAreDroppedAtEveryDepth() {
        assertThat(
                        tree(
                                """
                        .a: 1
                        b: {.c: 1, d: [{.e: 1, f: 2}]}
                        """))
                .isEqualTo(Map.of("b", Map.of("d", List.of(Map.of("f", "2")))));
    }

    @Test
    public void snippetsAreDroppedAtTheTopOnly() {
        assertThat(
                        tree(
                                """
                        machine_snippets: {a: 1}
                        b: {machine_snippets: 2}
                        snippets: 3
                        """))
                .isEqualTo(Map.of("b", Map.of("machine_snippets", "2"), "snippets", "3"));
    }

    @Test
    public void valuesStayTheTextThatTheyAreWrittenAs() {
        assertThat(
                        tree(
                                """
                        version: 2.310
                        octal: 010
                        yes: no
                        date: 2026-01-01
                        quoted: "0x10\\n"
                        time: 12:30:45
                        folded: >-
                          one
                          two
                        """))
                .isEqualTo(Map.of(
                        "version", "2.310",
                        "octal", "010",
                        "yes", "no",
                        "date", "2026-01-01",
                        "quoted", "0x10\n",
                        "time", "12:30:45",
                        "folded", "one two"));
    }

    @Test
    public void aQuotedMergeKeyIsAKeyLikeAnyOther() {
        assertThat(tree("x: {\"<<\": {a: 1}}")).isEqualTo(Map.of("x", Map.of("<<", Map.of("a", "1"))));
    }

    @Test
    public void linesAreThoseOfTheDefinitionAlsoAfterMergesAndAliases() {
        ConfigDocument document = read(
                """
                .big: &big 32G
                .base: &base
                  ram: 1G
                  shared:
                    - path: /a
                      tag: a
                machines:
                  build:
                    << : *base
                    disk:
                      16G
                  v1.2:
                    ram: *big
                  copy: *base
                """);
        assertThat(document.line("machines")).hasValue(7);
        assertThat(document.line("machines.build")).hasValue(8);
        assertThat(document.line("machines.build.ram")).hasValue(3);
        assertThat(document.line("machines.build.shared")).hasValue(4);
        assertThat(document.line("machines.build.shared[0]")).hasValue(5);
        assertThat(document.line("machines.build.shared[0].tag")).hasValue(6);
        assertThat(document.line("machines.build.disk")).hasValue(11);
        assertThat(document.line("machines.v1.2.ram")).hasValue(1);
        assertThat(document.line("machines.copy")).hasValue(14);
        assertThat(document.line("machines.copy.ram")).hasValue(3);
        assertThat(document.line("")).isPresent();
    }

    @Test
    public void whatIsNotThereHasNoLine() {
        ConfigDocument document = read("a: {b: [1]}\n.c: 2\n");
        for (String path : List.of("b", "a.c", "a.b[1]", "a.b[0].c", "a.b.0", "ab", "a[0]", ".c", "a.", "a..b")) {
            assertThat(document.line(path)).as(path).isEqualTo(OptionalInt.empty());
        }
    }

    @DataProvider
    public Object[][] brokenFiles() {
        return new Object[][] {
            {"a: 1\nb: 2\na: 3\n", "3 a: The key is there twice, first in line 1. Remove one of them."},
            {
                "x:\n  << : {a: 1}\n  << : {b: 1}\n",
                "3 x.<<: The key is there twice, first in line 2. Merge several with one list: << : [*first, *second]"
            },
            {"a_snippets: {b: 1, b: 2}\n", "1 a_snippets.b: The key is there twice, first in line 1."},
            {"x:\n  << : 5\n", "2 x.<<: Only mappings can be merged."},
            {"x:\n  << : [{a: 1}, [{b: 1}]]\n", "2 x.<<: Only mappings can be merged."},
            {"x:\n  << :\n", "2 x.<<: Only mappings can be merged."},
            {"x: &x\n  y:\n    z: *x\n", "3 x.y.z: An alias stands for something that it is itself a part of."},
            {"x: &x\n  - *x\n", "1 x[0]: An alias stands for something that it is itself a part of."},
            {"x: &x\n  a: 1\n  << : *x\n", "3 x.<<: An alias stands for something that it is itself a part of."},
            {"x:\n  - a: !secret b\n", "2 x[0].a: The tag !secret means nothing here."},
            {"? [a, b]\n: c\n", "1 A key is not a word."},
            {"a: {\"\": b}\n", "1 a: A key is not a word."},
            {"- a\n- b\n", "1 The file is not a mapping."},
            {"", "The file is empty."},
            {"# nothing\n", "The file is empty."},
            {"a: b\n---\nc: d\n", "2 This is not YAML: but found another document"},
            {"a: *nowhere\n", "1 This is not YAML: found undefined alias nowhere"},
            {"a: b: c\n", "1 This is not YAML: mapping values are not allowed here"},
            {"a:\n\tb: c\n", "2 This is not YAML: found character '\\t(TAB)'"},
            {"a: [1, 2\nb: 3\n", "2 This is not YAML: "},
            {"a: b\nc: \u0007\n", "2 The character U+0007 may not stand in YAML."},
            {"a: \"\\UFFFFFFFF\"\n", "This is not YAML"},
        };
    }

    @Test(dataProvider = "brokenFiles")
    public void whatIsWrongIsToldWithItsLine(String yaml, String problem) {
        assertThat(problems(yaml.getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains(problem);
    }

    @Test
    public void syntaxErrorsDoNotQuoteTheFileWhichMayHoldSecrets() {
        assertThat(problems("a: b\nwebhook_secret hunter2\n  c: d\n".getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .startsWith("3 ")
                .doesNotContain("hunter2");
    }

    @Test
    public void textThatIsNotUtf8IsToldWithItsLine() {
        assertThat(problems("a: b\nc: ü\n".getBytes(StandardCharsets.ISO_8859_1)))
                .containsExactly("2 The file is not UTF-8 text from here on. Save it in UTF-8.");
    }

    @Test
    public void aByteOrderMarkAndWindowsLinesAreNoProblem() {
        ConfigDocument document = read("\uFEFFa: 1\r\nb:\r\n  c: 2\r\n");
        assertThat(plain(document.root())).isEqualTo(Map.of("a", "1", "b", Map.of("c", "2")));
        assertThat(document.line("b.c")).hasValue(3);
    }

    @Test(timeOut = 20_000)
    public void aBillionLaughsAreRefusedBeforeTheyAreWrittenOut() {
        StringBuilder yaml = new StringBuilder("l0: &l0 [lol]\n");
        for (int i = 1; i < 40; i++) {
            yaml.append("l%d: &l%d [%s*l%d]\n".formatted(i, i, ("*l" + (i - 1) + ", ").repeat(9), i - 1));
        }
        assertThat(problems(yaml.toString().getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains("With its aliases written out");
    }

    @Test(timeOut = 20_000)
    public void aBillionMergesAreRefused() {
        StringBuilder yaml = new StringBuilder(".wide: &wide\n");
        for (int i = 0; i < 2000; i++) {
            yaml.append("  k").append(i).append(": 1\n");
        }
        yaml.append("x: {<< : [").append("*wide, ".repeat(50_000)).append("*wide]}\n");
        assertThat(problems(yaml.toString().getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains("The file merges more than");
    }

    @Test(timeOut = 20_000)
    public void aChainOfAliasesDeeperThanAnyStackIsRefused() {
        StringBuilder yaml = new StringBuilder("a0: &a0 {x: 1}\n");
        for (int i = 1; i < 30_000; i++) {
            yaml.append("a%d: &a%d {x: *a%d}\n".formatted(i, i, i - 1));
        }
        assertThat(problems(yaml.toString().getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains("With its aliases written out");
    }

    @Test(timeOut = 20_000)
    public void literalNestingBeyondReasonIsRefused() {
        assertThat(problems(("a: " + "[".repeat(100_000)).getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains("at most 50 levels");
    }

    @Test(timeOut = 20_000)
    public void filesThatAreTooLargeOrHaveTooManyValuesAreRefused() {
        assertThat(problems(new byte[ConfigDocument.MOST_BYTES + 1]))
                .singleElement()
                .asString()
                .contains("larger than 2 MiB");
        assertThat(problems(("a: [" + "1,".repeat(300_000) + "1]").getBytes(StandardCharsets.UTF_8)))
                .singleElement()
                .asString()
                .contains("too many values");
    }

    @Test
    public void manyAliasesOfSmallThingsAreFine() {
        StringBuilder yaml = new StringBuilder(".t: &t {path: /a, parameters: {A: 1}}\n");
        for (int i = 0; i < 5000; i++) {
            yaml.append("k").append(i).append(": {<< : *t, template: *t}\n");
        }
        assertThat(read(yaml.toString()).root().entries()).hasSize(5000);
    }

    static ConfigDocument read(String yaml) {
        ConfigProblems problems = new ConfigProblems();
        Optional<ConfigDocument> document = ConfigDocument.read(yaml.getBytes(StandardCharsets.UTF_8), problems);
        assertThat(problems.sorted()).isEmpty();
        return document.orElseThrow();
    }

    private static Object tree(String yaml) {
        return plain(read(yaml).root());
    }

    private static List<String> problems(byte[] yaml) {
        ConfigProblems problems = new ConfigProblems();
        ConfigDocument.read(yaml, problems);
        return problems.sorted().stream()
                .map(problem -> (problem.line().isPresent() ? problem.line().getAsInt() + " " : "")
                        + (problem.path().isEmpty() ? "" : problem.path() + ": ")
                        + problem.sentences())
                .toList();
    }

    /** A node as maps, lists and strings. */
    static Object plain(ConfigNode node) {
        if (node instanceof ConfigNode.Mapping mapping) {
            Map<String, Object> map = new LinkedHashMap<>();
            mapping.entries().forEach((key, entry) -> map.put(key, plain(entry.value())));
            return map;
        }
        if (node instanceof ConfigNode.Sequence sequence) {
            return sequence.items().stream().map(ConfigDocumentTest::plain).toList();
        }
        return ((ConfigNode.Scalar) node).text();
    }
}
