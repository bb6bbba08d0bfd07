package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import java.io.IOException;
import picocli.CommandLine.Parameters;

/** What the commands that change one generation have in common. */
abstract class GenerationTask extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId type;

    @Parameters(index = "1", paramLabel = "GENERATION")
    private int generation;

    /** Changes it; {@code type} is spelled as it is on disk. Returns what is true of it now, to complete the sentence. */
    abstract String change(ImageCatalog catalog, MachineTypeId type, int generation) throws PluginException;

    @Override
    final void run() throws PluginException, ConfigException, IOException {
        ImageCatalog catalog = catalogToChange();
        MachineTypeId spelled = existing(catalog, type);
        String now = change(catalog, spelled, generation);
        out().println("Generation " + generation + " of " + spelled + " " + now + ".");
    }
}
