package io.forrest.work;

import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerArchive;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The files of a setup template with their placeholders replaced.
 *
 * <p>All placeholders are replaced in one pass, so that a value that happens to look like a placeholder stays as it is.
 *
 * @param cloudInit the files of {@code cloud-init/}, by name
 * @param jobConfig the files of {@code job-config/}, by name
 */
record GuestFiles(Map<String, byte[]> cloudInit, Map<String, byte[]> jobConfig) {
    private static final String CLOUD_INIT = "cloud-init";
    private static final String JOB_CONFIG = "job-config";
    private static final Pattern PLACEHOLDER = Pattern.compile("<([^<>\\s]+)>");

    /** More would not fit into the guest's volumes of 1 MiB anyway. */
    private static final long MOST_BYTES = 1 << 20;

    /**
     * Reads the template of {@code type} for one machine. Throws {@code REJECTED} if the template is at fault.
     *
     * @param runner which runner its guest is to run, if that is not left to the template
     */
    static GuestFiles render(
            MachineType type, MachineId machine, Secret jitConfig, Secret runToken, Optional<RunnerArchive> runner)
            throws PluginException {
        RepositoryId repository = type.id().repository();
        Map<String, String> values = new HashMap<>(type.setupTemplate().parameters());
        runner.ifPresent(archive -> {
            values.put(MachineType.SetupTemplate.RUNNER_VERSION, archive.version());
            values.put(MachineType.SetupTemplate.RUNNER_HASH, archive.sha256());
        });
        values.put("REPO_OWNER", repository.owner());
        values.put("REPO_NAME", repository.name());
        // The machine type's name, as in the reference: guests use it as a host name that stays the same.
        values.put("MACHINE_NAME", machine.type().type());
        values.put("JITCONFIG", jitConfig.reveal());
        values.put("RUN_TOKEN", runToken.reveal());
        Path template = type.setupTemplate().path();
        return new GuestFiles(
                render(template.resolve(CLOUD_INIT), values), render(template.resolve(JOB_CONFIG), values));
    }

    /** What would keep {@link #render} from working for {@code type}. */
    static List<HostProblem> check(MachineType type) {
        List<HostProblem> problems = new ArrayList<>();
        for (String part : List.of(CLOUD_INIT, JOB_CONFIG)) {
            Path directory = type.setupTemplate().path().resolve(part);
            try {
                render(directory, Map.of());
            } catch (PluginException e) {
                problems.add(new HostProblem(
                        type.configPath() + ".setup_template.path",
                        e.getMessage(),
                        "Correct the template or its path."));
            }
        }
        return problems;
    }

    private static Map<String, byte[]> render(Path directory, Map<String, String> values) throws PluginException {
        if (!Files.isDirectory(directory)) {
            throw rejected("the setup template has no directory " + directory + ".");
        }
        Map<String, byte[]> files = new TreeMap<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                if (!Files.isRegularFile(entry)) {
                    throw rejected(entry + " is not a plain file; setup templates are flat.");
                }
                if (Files.size(entry) > MOST_BYTES) {
                    throw rejected(entry + " is larger than the 1 MiB that fit into the guest's volume.");
                }
                files.put(entry.getFileName().toString(), replace(entry, values));
            }
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.BROKEN, "the setup template " + directory + " cannot be read: " + e, e);
        }
        return files;
    }

    private static byte[] replace(Path file, Map<String, String> values) throws IOException, PluginException {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw rejected(file + " is not UTF-8 text.");
        }
        return PLACEHOLDER
                .matcher(text)
                .replaceAll(found -> Matcher.quoteReplacement(
                        Optional.ofNullable(values.get(found.group(1))).orElse(found.group())))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static PluginException rejected(String message) {
        return new PluginException(PluginException.Kind.REJECTED, message);
    }
}
