package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code forrest image unpin}. */
@Command(name = "unpin", description = "Keep a generation no longer than others.", mixinStandardHelpOptions = true)
final class UnpinImage extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Parameters(index = "1", paramLabel = "GENERATION")
    private int generation;

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ImageCatalog catalog = catalogToChange();
        Generation unpinned = catalog.unpin(existing(catalog, type), generation);
        out().println("Generation " + generation + " of " + unpinned.id().type() + " is kept no longer than others.");
    }
}
