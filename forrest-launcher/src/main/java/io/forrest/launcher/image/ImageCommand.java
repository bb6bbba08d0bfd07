package io.forrest.launcher.image;

import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** {@code forrest image}: works with and without a daemon beside it. */
@Command(
        name = "image",
        description = "Look at machine images, go back to earlier ones, import new ones; give machines a TPM.",
        mixinStandardHelpOptions = true,
        subcommands = {
            ListImages.class,
            ImageHistory.class,
            RollBackImage.class,
            PinImage.class,
            UnpinImage.class,
            RemoveImage.class,
            ImportImage.class,
            AddTpm.class
        })
public final class ImageCommand {
    @Option(
            names = "--config",
            paramLabel = "CONFIG",
            defaultValue = "config.yaml",
            scope = ScopeType.INHERIT,
            description = "default: ${DEFAULT-VALUE}")
    private Path config;

    Path config() {
        return config;
    }
}
