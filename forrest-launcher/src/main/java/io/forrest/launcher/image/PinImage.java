package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code forrest image pin}. */
@Command(
        name = "pin",
        description = "Keep a generation however old it is and however little space there is.",
        mixinStandardHelpOptions = true)
final class PinImage extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Parameters(index = "1", paramLabel = "GENERATION")
    private int generation;

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ImageCatalog catalog = catalogToChange();
        Generation pinned = catalog.pin(existing(catalog, type), generation);
        out().println("Generation " + generation + " of " + pinned.id().type() + " is kept until it is unpinned.");
    }
}
