package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ConfigInspection;
import io.forrest.config.ForrestConfig;
import io.forrest.config.HostConfig;
import io.forrest.config.MachineType;
import io.forrest.config.Suggestion;
import io.forrest.domain.MachineTypeId;
import io.forrest.images.ImageCatalog;
import io.forrest.launcher.Hypervisors;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.Collection;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** What the commands for images have in common. */
abstract class ImageTask implements Callable<Integer> {
    @ParentCommand
    private ImageCommand parent;

    @Spec
    private CommandSpec spec;

    /** Does it; what it throws is the one line that people see. */
    abstract void run() throws PluginException, ConfigException, IOException;

    @Override
    public final Integer call() {
        try {
            run();
            return 0;
        } catch (PluginException | ConfigException e) {
            err().println(e.getMessage());
            return 1;
        } catch (IOException e) {
            err().println(e.getMessage() == null ? e.toString() : e.getMessage());
            return 1;
        }
    }

    final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    final PrintWriter err() {
        return spec.commandLine().getErr();
    }

    final Path configFile() {
        return parent.config();
    }

    final Clock clock() {
        return Clock.system(ZoneId.systemDefault());
    }

    /** Only to look: what is wrong with the rest of the configuration does not matter. */
    final ImageCatalog catalog() throws ConfigException {
        return new ImageCatalog(baseDirectory(), clock());
    }

    /** Throws if what this user makes could not be read by the one that Forrest runs as. */
    final ImageCatalog catalogToChange() throws ConfigException, PluginException, IOException {
        Path base = baseDirectory();
        for (Path directory : new Path[] {base.resolve("machines"), base}) {
            if (Files.exists(directory)) {
                String owner = Files.getOwner(directory).getName();
                if (user().equals("root") && !owner.equals("root")) {
                    throw new PluginException(
                            PluginException.Kind.REJECTED,
                            directory + " belongs to " + owner
                                    + ", who could not read what root makes there. Run this as " + owner + ": sudo -u "
                                    + owner + " ...");
                }
                break;
            }
        }
        return new ImageCatalog(base, clock());
    }

    private static String user() {
        return System.getProperty("user.name");
    }

    /** Who asks for it, as other people know them. */
    static String requester() {
        return Optional.ofNullable(System.getenv("SUDO_USER")).orElse(user());
    }

    private Path baseDirectory() throws ConfigException {
        ConfigInspection inspection = ConfigFile.inspect(configFile(), Hypervisors.all());
        Optional<HostConfig> host = inspection.host();
        if (host.isEmpty()) {
            throw new ConfigException(configFile().toString(), inspection.problems());
        }
        return host.get().baseDirectory();
    }

    /**
     * The type as it is spelled on disk: at GitHub, capitals do not matter.
     *
     * @throws PluginException {@code REJECTED} if there is nothing of it, with what may have been meant
     */
    static MachineTypeId existing(ImageCatalog catalog, MachineTypeId typed) throws PluginException {
        Collection<MachineTypeId> types = catalog.types();
        return spelled(types, typed)
                .orElseThrow(() -> new PluginException(
                        PluginException.Kind.REJECTED,
                        typed + " has no machine image and no generations." + didYouMean(types.stream(), typed)));
    }

    /** What the configuration has of that name; throws with what may have been meant if there is nothing. */
    final MachineType configured(ForrestConfig config, MachineTypeId typed) throws PluginException {
        Optional<MachineType> type = config.machineType(typed);
        if (type.isEmpty()) {
            throw new PluginException(
                    PluginException.Kind.REJECTED,
                    typed + " is no machine type of " + configFile() + "."
                            + didYouMean(
                                    config.repositories().values().stream()
                                            .flatMap(repository -> repository.machines().values().stream())
                                            .map(MachineType::id),
                                    typed));
        }
        return type.get();
    }

    static Optional<MachineTypeId> spelled(Collection<MachineTypeId> types, MachineTypeId typed) {
        return types.stream().filter(typed::equals).findFirst();
    }

    static String didYouMean(Stream<MachineTypeId> types, MachineTypeId typed) {
        return Suggestion.closest(
                        typed.toString(), types.map(MachineTypeId::toString).toList())
                .map(meant -> " Did you mean " + meant + "?")
                .orElse("");
    }
}
