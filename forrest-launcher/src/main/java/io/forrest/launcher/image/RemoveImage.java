package io.forrest.launcher.image;

import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import picocli.CommandLine.Command;

/** {@code forrest image rm}. */
@Command(
        name = "rm",
        description = "Remove a generation for ever. Machines that run on it go on.",
        mixinStandardHelpOptions = true)
final class RemoveImage extends GenerationTask {
    @Override
    String change(ImageCatalog catalog, MachineTypeId type, int generation) throws PluginException {
        catalog.remove(type, generation);
        return "is removed";
    }
}
