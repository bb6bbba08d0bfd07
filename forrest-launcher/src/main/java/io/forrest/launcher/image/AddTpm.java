package io.forrest.launcher.image;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ForrestConfig;
import io.forrest.domain.MachineTypeId;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.HostCommand;
import io.forrest.launcher.Hypervisors;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * {@code forrest image add-tpm}: makes {@code machines/OWNER/REPOSITORY/TYPE.swtpm}, a state in one linear file, as {@code
 * swtpm socket --tpm2 --tpmstate backend-uri=file://...} takes it.
 */
@Command(
        name = "add-tpm",
        description = "Give the machines of a type a TPM 2.0: make the state that each of them begins with a copy of.",
        mixinStandardHelpOptions = true)
final class AddTpm extends ImageTask {
    @Parameters(index = "0", paramLabel = TypeConverter.LABEL, converter = TypeConverter.class)
    private MachineTypeId typed;

    @Override
    void run() throws PluginException, ConfigException, IOException {
        ForrestConfig config = ConfigFile.load(configFile(), Hypervisors.all()).config();
        MachineTypeId type = configured(config, typed).id();
        catalogToChange();
        Path state = config.host()
                .baseDirectory()
                .resolve("machines")
                .resolve(type.repository().owner())
                .resolve(type.repository().name())
                .resolve(type.type() + ".swtpm");
        Files.createDirectories(state.getParent());
        refuseIfThere(state);
        // No type's name begins with a dot.
        Path workshop = Files.createTempDirectory(state.getParent(), ".swtpm");
        try (CleanUp cleanUp = new CleanUp()) {
            Path made = workshop.resolve("state");
            cleanUp.add(() -> {
                Files.deleteIfExists(made);
                Files.deleteIfExists(workshop);
            });
            manufacture(made);
            try {
                // Unlike a rename, a link never replaces anything.
                Files.createLink(state, made);
            } catch (FileAlreadyExistsException e) {
                refuseIfThere(state);
            }
        }
        out().println("Machines of " + type + " have a TPM from now on; " + state + " is what it begins with.");
    }

    private static void refuseIfThere(Path state) throws PluginException {
        if (Files.exists(state)) {
            throw new PluginException(
                    PluginException.Kind.REJECTED,
                    state
                            + " is there already, and guests may have sealed secrets with it. Move it away to make another.");
        }
    }

    private static void manufacture(Path state) throws IOException {
        List<String> line =
                new ArrayList<>(List.of("swtpm_setup", "--tpm2", "--createek", "--tpmstate", "file://" + state));
        if (HostCommand.isRoot()) {
            // It would become a user of its own otherwise, who may not write here.
            line.addAll(List.of("--runas", "root"));
        }
        try {
            HostCommand.run(line.toArray(String[]::new));
        } catch (IOException e) {
            throw new IOException(
                    "The TPM cannot be made (swtpm and swtpm-tools are the packages that do it): "
                            + e.getMessage()
                                    .lines()
                                    .reduce((first, last) -> first + "; " + last)
                                    .orElse(""),
                    e);
        }
        try (FileChannel file = FileChannel.open(state, StandardOpenOption.WRITE)) {
            file.force(true);
        }
    }
}
