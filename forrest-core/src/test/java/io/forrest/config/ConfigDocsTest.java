package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.ConfigFragments;
import io.forrest.testing.MarkdownBlocks;
import io.forrest.testing.MarkdownBlocks.Block;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** docs/config.md says what is so. */
public class ConfigDocsTest {
    private static final String DOCUMENT = "docs/config.md";

    private static final Pattern KEY_ROW = Pattern.compile("(?m)^\\| `([a-z_.]+)` \\|");

    @DataProvider
    public Iterator<Object[]> yamlBlocks() throws IOException {
        List<Block> blocks = MarkdownBlocks.of(DOCUMENT).stream()
                .filter(block -> block.language().equals("yaml"))
                .toList();
        assertThat(blocks).hasSizeGreaterThan(5);
        return blocks.stream().map(block -> new Object[] {block}).iterator();
    }

    @Test(dataProvider = "yamlBlocks")
    public void everyYamlBlockLoads(Block block) {
        assertThat(ConfigTexts.problems(ConfigFragments.completed(block)))
                .as("the block in line %d of %s", block.line(), DOCUMENT)
                .isEmpty();
    }

    @Test
    public void everyKeyOfAFullConfigurationIsExplained() throws Exception {
        String document = Files.readString(MarkdownBlocks.sourceFile(DOCUMENT));
        Set<String> explained = new TreeSet<>();
        KEY_ROW.matcher(document)
                .results()
                .forEach(row -> explained.add(row.group(1).replaceFirst(".*\\.", "")));
        // The loader lists what is possible when a key is like none of them.
        Set<String> possible = new TreeSet<>();
        String yaml =
                """
                host: {base_dir: /a, ram: 1G, zzzzzzzzzzzz: 1, retention: {zzzzzzzzzzzz: 1}}
                github: {zzzzzzzzzzzz: 1}
                repositories:
                  a:
                    b:
                      zzzzzzzzzzzz: 1
                      machines:
                        c:
                          zzzzzzzzzzzz: 1
                          setup_template: {zzzzzzzzzzzz: 1}
                          shared: [{zzzzzzzzzzzz: 1}]
                          network_interfaces: [{zzzzzzzzzzzz: 1}]
                          artifacts: [{zzzzzzzzzzzz: 1}]
                """;
        for (String problem : ConfigTexts.problems(yaml)) {
            Matcher list = Pattern.compile("Possible are (.*)\\.").matcher(problem);
            if (list.find()) {
                possible.addAll(List.of(list.group(1).split(", ")));
            }
        }
        possible.removeAll(Set.of("qemu", "firecracker", "retention", "setup_template"));
        assertThat(possible).hasSizeGreaterThan(25);
        assertThat(explained).containsAll(possible);
    }
}
