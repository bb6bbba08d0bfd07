package io.forrest.launcher.image;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.config.ConfigException;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code forrest image ls}. */
@Command(name = "ls", description = "List the machine images of all types.", mixinStandardHelpOptions = true)
final class ListImages extends ImageTask {
    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    /** A type's machine image; {@code current} is empty if it has none, or one of somebody's hand. */
    private record Listed(MachineTypeId type, List<Generation> history, Optional<Generation> current, boolean byHand) {}

    @Override
    void run() throws PluginException, ConfigException {
        ImageCatalog catalog = catalog();
        Columns columns = new Columns("TYPE", "CURRENT", "SIZE", "DATA", "AGE", "GENERATIONS");
        ArrayNode array = GenerationJson.array();
        for (MachineTypeId type : catalog.types()) {
            List<Generation> history = catalog.history(type);
            Listed listed = new Listed(
                    type, history, history.stream().filter(Generation::current).findFirst(), catalog.isForeign(type));
            if (json) {
                array.add(object(catalog, listed));
            } else {
                addRow(catalog, listed, columns);
            }
        }
        if (json) {
            out().println(array);
        } else {
            columns.print(out());
        }
    }

    private void addRow(ImageCatalog catalog, Listed listed, Columns columns) throws PluginException {
        Optional<DataSize> data = listed.current().isPresent()
                ? Optional.of(catalog.allocated(listed.current().get()))
                : Optional.empty();
        columns.row(
                listed.type().toString(),
                listed.current()
                        .map(current -> Integer.toString(current.id().number()))
                        .orElse(listed.byHand() ? "by hand" : "none"),
                listed.current()
                        .map(current -> Columns.size(current.size().bytes()))
                        .orElse(""),
                data.map(size -> Columns.size(size.bytes())).orElse(""),
                listed.current()
                        .flatMap(Generation::madeAt)
                        .map(time -> Columns.age(Duration.between(time, clock().instant())))
                        .orElse(""),
                Integer.toString(listed.history().size()));
    }

    private static ObjectNode object(ImageCatalog catalog, Listed listed) throws PluginException {
        ObjectNode object = GenerationJson.object()
                .put("type", listed.type().toString())
                .put("generations", listed.history().size())
                .put("by_hand", listed.byHand());
        if (listed.current().isPresent()) {
            object.set("current", GenerationJson.of(catalog, listed.current().get()));
        }
        return object;
    }
}
