package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.images.ImageCatalog;
import io.forrest.images.ImageImport;
import io.forrest.images.ImageSource;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.Hypervisors;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** {@code forrest image import}. */
@Command(
        name = "import",
        description = "Make a file or a download the machine image of a type: its newest generation.",
        mixinStandardHelpOptions = true)
final class ImportImage extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId typed;

    @Parameters(
            index = "1",
            paramLabel = "SOURCE",
            converter = SourceConverter.class,
            description = "a path or an address (http, https) of a raw or qcow2 image")
    private ImageSource source;

    @Option(
            names = "--sha256",
            paramLabel = "HEX",
            converter = Sha256Converter.class,
            description = "the SHA-256 of SOURCE; an address needs it")
    private Optional<String> sha256 = Optional.empty();

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ForrestConfig config = ConfigFile.load(configFile(), Hypervisors.all()).config();
        MachineType type = configured(config, typed);
        ImageCatalog catalog = catalogToChange();
        ImageImport.Imported imported = fetch(catalog, type);
        imported.warnings().forEach(err()::println);
        out().println("The machine image of " + type.id() + " is generation "
                + imported.generation().id().number() + " now, imported from " + source + ".");
        if (type.useBase() == UseBase.ALWAYS) {
            err().println("With use_base: always, its own machines start from its base all the same.");
        }
    }

    /** When this process is told to end in the middle of it, nothing is left either. */
    private ImageImport.Imported fetch(ImageCatalog catalog, MachineType type) throws PluginException {
        try (CleanUp cleanUp = new CleanUp();
                ProgressLine progress = new ProgressLine(err(), Boolean.getBoolean("forrest.terminal"))) {
            return cleanUp.add(new ImageImport(catalog, type.id(), progress)).run(source, sha256);
        }
    }

    /** Reads a path or an address. */
    static final class SourceConverter implements ITypeConverter<ImageSource> {
        @Override
        public ImageSource convert(String text) {
            try {
                return ImageSource.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads a SHA-256. */
    static final class Sha256Converter implements ITypeConverter<String> {
        @Override
        public String convert(String text) {
            if (!ImageImport.isSha256(text)) {
                throw new TypeConversionException("\"" + text + "\" is not a SHA-256, which has 64 hexadecimal digits");
            }
            return text;
        }
    }
}
