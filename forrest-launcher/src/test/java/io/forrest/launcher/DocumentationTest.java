package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ConfigFile;
import io.forrest.jobs.JobLabels;
import io.forrest.testing.ConfigFragments;
import io.forrest.testing.MarkdownBlocks;
import io.forrest.testing.MarkdownBlocks.Block;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** What the README and docs/ say can be typed in, is understood. */
public class DocumentationTest {
    private static final Path ROOT = MarkdownBlocks.sourceFile("README.md").getParent();
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)(?:#[^)]*)?\\)");

    /** {@code TheClass.theMethod}, as a table of promises names its tests. */
    private static final Pattern NAMED_TEST = Pattern.compile("`([A-Z][A-Za-z]*)\\.([a-z][A-Za-z0-9]*)`");

    /** The last part of a key of the configuration, as in {@code `github.app_id`}. */
    private static final Pattern NAMED_KEY = Pattern.compile("`(?:[a-z]+\\.)?([a-z][a-z_]+)`");

    /** A block of a document, with a name that tells where it is. */
    private record Place(Path document, Block block) {
        @Override
        public String toString() {
            return ROOT.relativize(document) + ":" + block.line();
        }
    }

    private static List<Path> documents() throws IOException {
        List<Path> documents = new ArrayList<>(List.of(ROOT.resolve("README.md")));
        try (Stream<Path> files = Files.list(ROOT.resolve("docs"))) {
            files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(documents::add);
        }
        return documents;
    }

    private static Iterator<Object[]> blocks(String language, boolean workflows) throws IOException {
        List<Object[]> found = new ArrayList<>();
        for (Path document : documents()) {
            for (Block block : MarkdownBlocks.in(Files.readString(document))) {
                if (block.language().equals(language) && block.info().equals("workflow") == workflows) {
                    found.add(new Object[] {new Place(document, block)});
                }
            }
        }
        assertThat(found).hasSizeGreaterThan(2);
        return found.iterator();
    }

    @DataProvider
    public Iterator<Object[]> configurations() throws IOException {
        return blocks("yaml", false);
    }

    @Test(dataProvider = "configurations")
    public void everyConfigurationLoads(Place place) throws IOException {
        Path file = Files.createTempFile("documented", ".yaml");
        Files.writeString(file, ConfigFragments.completed(place.block()));
        assertThat(ConfigFile.inspect(file, Hypervisors.all()).problems())
                .as("%s", place)
                .isEmpty();
    }

    @DataProvider
    public Iterator<Object[]> workflows() throws IOException {
        return blocks("yaml", true);
    }

    @Test(dataProvider = "workflows")
    public void everyWorkflowAsksForAMachineInAWayThatCounts(Place place) {
        Yaml yaml = new Yaml(new SafeConstructor(new LoaderOptions()));
        Map<?, ?> workflow = yaml.load(place.block().text());
        Map<?, ?> jobs = (Map<?, ?>) workflow.get("jobs");
        assertThat(jobs).as("%s", place).isNotEmpty();
        for (Object job : jobs.values()) {
            Object labels = ((Map<?, ?>) job).get("runs-on");
            assertThat(labels).as("%s", place).isInstanceOf(List.class);
            assertThat(JobLabels.machineType(
                            ((List<?>) labels).stream().map(Object::toString).toList()))
                    .as("%s", place)
                    .isPresent();
        }
    }

    @DataProvider
    public Iterator<Object[]> commands() throws IOException {
        return blocks("sh", false);
    }

    @Test(dataProvider = "commands")
    public void everyCommandOfForrestsIsUnderstood(Place place) throws Exception {
        // <...> stands for what the reader knows.
        assertThatShellUnderstands(place.block().text().replaceAll("<[^>]*>", "x"), place.toString());
        place.block().text().lines().map(String::strip).forEach(line -> {
            if (line.startsWith("./forrest test")) {
                assertThat(line.split(" +", -1)).isSubsetOf("./forrest", "test", "--no-skips");
            } else if (line.startsWith("./forrest ") || line.startsWith("forrest ")) {
                String[] words = line.split(" +", -1);
                Main.commandLine().parseArgs(Arrays.copyOfRange(words, 1, words.length));
            }
        });
    }

    private static void assertThatShellUnderstands(String script, String name) throws Exception {
        Path file = Files.createTempFile("script", ".sh");
        Files.writeString(file, script);
        Process shell = new ProcessBuilder("bash", "-n", file.toString())
                .redirectErrorStream(true)
                .start();
        String complaints = new String(shell.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertThat(shell.waitFor()).as(name + ": " + complaints).isZero();
    }

    @Test
    public void everyPromiseOfTheSpecificationIsHeldByTestsThatExist() throws IOException {
        assertThat(rowsHeldByTests("docs/specification.md")).hasSizeGreaterThan(40);
    }

    @Test
    public void everyFactOfTheReferenceIsHeldByTestsThatExistAndEveryKeyByOneThatNamesIt() throws IOException {
        int keys = 0;
        for (HeldRow row : rowsHeldByTests("docs/reference.md")) {
            if (row.table().equals("Key")) {
                for (MatchResult key : NAMED_KEY.matcher(row.what()).results().toList()) {
                    keys++;
                    assertThat(row.sources().stream().anyMatch(source -> source.contains(key.group(1) + ":")))
                            .as("a test of %s that names %s", row.what(), key.group(1))
                            .isTrue();
                }
            }
        }
        assertThat(keys).isGreaterThan(25);
    }

    /**
     * A row of a table whose last column names tests.
     *
     * @param table the heading of its first column
     * @param what its first column
     * @param sources the source texts of the tests' classes
     */
    private record HeldRow(String table, String what, List<String> sources) {}

    /** All of them in a document, all of whose tables are such. */
    private static List<HeldRow> rowsHeldByTests(String document) throws IOException {
        Map<String, String> tests = new HashMap<>();
        try (Stream<Path> files = Files.walk(ROOT)) {
            for (Path file : files.filter(path -> path.toString().contains("/src/test/java/")
                            && path.toString().endsWith(".java"))
                    .toList()) {
                tests.put(file.getFileName().toString().replace(".java", ""), Files.readString(file));
            }
        }
        List<HeldRow> rows = new ArrayList<>();
        String table = "";
        for (String line : Files.readString(ROOT.resolve(document)).lines().toList()) {
            if (!line.startsWith("| ")) {
                continue;
            }
            String what = line.split(" \\| ", -1)[0].substring(2);
            if (line.endsWith(" | Held by |")) {
                table = what;
                continue;
            }
            List<MatchResult> named = NAMED_TEST.matcher(line).results().toList();
            assertThat(named).as("the tests of: %s", line).isNotEmpty();
            for (MatchResult test : named) {
                assertThat(tests).as(line).containsKey(test.group(1));
                assertThat(tests.get(test.group(1))).as(line).contains("public void " + test.group(2) + "(");
            }
            rows.add(new HeldRow(
                    table,
                    what,
                    named.stream().map(test -> tests.get(test.group(1))).toList()));
        }
        return rows;
    }

    @Test
    public void everyLinkBetweenDocumentsLeadsSomewhere() throws IOException {
        for (Path document : documents()) {
            for (MatchResult link :
                    LINK.matcher(Files.readString(document)).results().toList()) {
                assertThat(document.resolveSibling(link.group(1)))
                        .as("a link in %s", document)
                        .exists();
            }
        }
    }

    @Test
    public void theExampleConfigurationHasNoProblems() {
        assertThat(ConfigFile.inspect(ROOT.resolve("docs/examples/config.yaml"), Hypervisors.all())
                        .problems())
                .isEmpty();
    }
}
