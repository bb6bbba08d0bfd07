package io.forrest.config;

import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Configurations as texts, and what comes of loading them. */
final class ConfigTexts {
    /** Knows the keys accelerator, binary and swtpm, as the real one does, and names problems by their key alone. */
    static final HypervisorFactory QEMU = new NamedFactory("qemu", List.of("accelerator", "binary", "swtpm"));

    static final HypervisorFactory OTHER = new NamedFactory("firecracker", List.of("kernel"));
    static final List<HypervisorFactory> HYPERVISORS = List.of(QEMU, OTHER);

    static final String HOST =
            """
            host:
              base_dir: /var/lib/forrest
              ram: 120G
            """;
    static final String GITHUB =
            """
            github:
              app_id: 123456
              jwt_key_file: /etc/forrest/key.pem
              webhook_secret: hush-webhook
            """;

    /** What every machine type needs. */
    static final String NEEDED =
            """
            setup_template: {path: /etc/forrest/template}
            cpus: 2
            disk: 16G
            ram: 4G
            """;

    private ConfigTexts() {}

    private record NamedFactory(String name, List<String> keys) implements HypervisorFactory {
        @Override
        public List<HostProblem> checkSettings(Map<String, String> settings) {
            return settings.keySet().stream()
                    .filter(key -> !keys.contains(key))
                    .map(key -> new HostProblem(key, "is an unknown key.", "Possible are " + keys + "."))
                    .toList();
        }

        @Override
        public Hypervisor create(Map<String, String> settings) {
            throw new AssertionError("reading a configuration makes no hypervisor");
        }
    }

    /** A whole file with the machine type acme/firmware/build, which has these keys. */
    static String machine(String keys) {
        return repositories("acme:\n  firmware:\n    machines:\n      build:\n" + keys.indent(8));
    }

    /** A whole file with these repositories. */
    static String repositories(String content) {
        return HOST + GITHUB + "repositories:\n" + content.indent(2);
    }

    static LoadedConfig load(String yaml) throws ConfigException {
        return load(yaml, HYPERVISORS);
    }

    static LoadedConfig load(String yaml, List<HypervisorFactory> hypervisors) throws ConfigException {
        try {
            Path file = Files.createTempFile("forrest", ".yaml");
            try {
                Files.writeString(file, yaml);
                return ConfigFile.load(file, hypervisors);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static MachineType build(LoadedConfig loaded) {
        return loaded.config()
                .repositories()
                .values()
                .iterator()
                .next()
                .machines()
                .get("build");
    }

    /** The problems of a file, each as {@code line path: what remedy}. */
    static List<String> problems(String yaml) {
        try {
            load(yaml);
            return List.of();
        } catch (ConfigException e) {
            return e.problems().stream()
                    .map(problem -> (problem.line().isPresent() ? problem.line().getAsInt() + " " : "")
                            + (problem.path().isEmpty() ? "" : problem.path() + ": ")
                            + problem.sentences())
                    .toList();
        }
    }

    /** The number of the only line that contains {@code part}. */
    static int lineOf(String yaml, String part) {
        List<String> lines = yaml.lines().toList();
        List<Integer> found = IntStream.range(0, lines.size())
                .filter(i -> lines.get(i).contains(part))
                .mapToObj(i -> i + 1)
                .toList();
        if (found.size() != 1) {
            throw new AssertionError(part + " is in the lines " + found + " of\n" + yaml);
        }
        return found.get(0);
    }
}
