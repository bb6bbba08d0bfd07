package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code forrest image rm}. */
@Command(
        name = "rm",
        description = "Remove a generation for ever. Machines that run on it go on.",
        mixinStandardHelpOptions = true)
final class RemoveImage extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Parameters(index = "1", paramLabel = "GENERATION")
    private int generation;

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ImageCatalog catalog = catalogToChange();
        MachineTypeId spelled = existing(catalog, type);
        catalog.remove(spelled, generation);
        out().println("Generation " + generation + " of " + spelled + " is removed.");
    }
}
