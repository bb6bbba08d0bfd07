package io.forrest.launcher.image;

import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;
import picocli.CommandLine.Command;

/** {@code forrest image unpin}. */
@Command(name = "unpin", description = "Keep a generation no longer than others.", mixinStandardHelpOptions = true)
final class UnpinImage extends GenerationTask {
    @Override
    String change(ImageCatalog catalog, MachineTypeId type, int generation) throws PluginException {
        catalog.unpin(type, generation);
        return "is kept no longer than others";
    }
}
