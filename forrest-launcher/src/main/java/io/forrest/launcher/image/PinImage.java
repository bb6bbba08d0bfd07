package io.forrest.launcher.image;

import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import picocli.CommandLine.Command;

/** {@code forrest image pin}. */
@Command(
        name = "pin",
        description = "Keep a generation however old it is and however little space there is.",
        mixinStandardHelpOptions = true)
final class PinImage extends GenerationTask {
    @Override
    String change(ImageCatalog catalog, MachineTypeId type, int generation) throws PluginException {
        catalog.pin(type, generation);
        return "is kept until it is unpinned";
    }
}
