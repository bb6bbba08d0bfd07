package io.forrest.launcher.image;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forrest image history}. */
@Command(
        name = "history",
        description = "List the generations of a type's machine image, the newest first.",
        mixinStandardHelpOptions = true)
final class ImageHistory extends ImageTask {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm");
    private static final int SHORT_COMMIT = 10;

    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    void run() throws PluginException, ConfigException {
        ImageCatalog catalog = catalog();
        MachineTypeId spelled = existing(catalog, type);
        List<Generation> history = catalog.history(spelled);
        if (json) {
            ArrayNode array = GenerationJson.array();
            for (Generation generation : history) {
                array.add(GenerationJson.of(catalog, generation));
            }
            out().println(array);
            return;
        }
        if (catalog.isForeign(spelled)) {
            out().println("The machine image was put there by hand; it becomes a generation when it is used.");
        }
        ZoneId zone = clock().getZone();
        Columns columns = new Columns(
                "GENERATION", "STATE", "SIZE", "DATA", "MADE", "JOB", "RUN", "COMMIT", "RUNNER", "PARENT", "REMARKS");
        for (Generation generation : history) {
            columns.row(
                    Integer.toString(generation.id().number()),
                    state(generation),
                    Columns.size(generation.size().bytes()),
                    Columns.size(catalog.allocated(generation).bytes()),
                    generation.madeAt().map(time -> shown(time, zone)).orElse(""),
                    generation.job().isPresent()
                            ? Long.toString(generation.job().getAsLong())
                            : "",
                    generation.workflowRun().isPresent()
                            ? Long.toString(generation.workflowRun().getAsLong())
                            : "",
                    generation
                            .commit()
                            .map(commit -> commit.substring(0, Math.min(SHORT_COMMIT, commit.length())))
                            .orElse(""),
                    generation.machine().orElse(""),
                    generation.parent().orElse(""),
                    remarks(generation, zone));
        }
        columns.print(out());
    }

    private static String shown(Instant time, ZoneId zone) {
        return TIME.format(time.atZone(zone));
    }

    private static String state(Generation generation) {
        List<String> words = new ArrayList<>();
        if (generation.current()) {
            words.add("current");
        } else if (generation.setAside().isPresent()) {
            words.add("set aside");
        } else {
            words.add(generation.problem().isPresent() ? "damaged" : "good");
        }
        if (generation.proven()) {
            words.add("proven");
        }
        if (generation.pinned()) {
            words.add("pinned");
        }
        return String.join(", ", words);
    }

    private static String remarks(Generation generation, ZoneId zone) {
        List<String> remarks = new ArrayList<>();
        if (generation.machine().isEmpty()) {
            remarks.add(generation.source());
        }
        generation
                .setAside()
                .ifPresent(aside -> remarks.add("set aside " + shown(aside.time(), zone) + ": " + aside.reason()));
        generation.problem().ifPresent(remarks::add);
        return String.join("; ", remarks);
    }
}
