package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code forrest image rollback}. */
@Command(
        name = "rollback",
        description = "Make an earlier generation the machine image again, and set all newer ones aside.",
        mixinStandardHelpOptions = true)
final class RollBackImage extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "GENERATION",
            description = "default: the newest good one before the machine image")
    private Optional<Integer> generation = Optional.empty();

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ImageCatalog catalog = catalogToChange();
        Generation now = catalog.rollBack(existing(catalog, type), generation, requester());
        out().println("The machine image of " + now.id().type() + " is generation "
                + now.id().number() + " now.");
    }
}
