package io.forrest.config;

import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Writes a configuration as one flat YAML document: no anchors, no merges, all defaults in full, secrets hidden. With
 * the secrets put back it loads as the same configuration.
 */
public final class ConfigPrinter {
    /** What no reader of YAML, of any version, takes for something else than text. */
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z_/<][A-Za-z0-9_./<>-]*");

    private static final List<String> WORDS = List.of("null", "true", "false", "yes", "no", "on", "off", "y", "n");

    private final StringBuilder yaml = new StringBuilder();
    private final Function<Secret, String> secrets;

    private ConfigPrinter(Function<Secret, String> secrets) {
        this.secrets = secrets;
    }

    /** The configuration as YAML; secrets are written {@code <secret>}. */
    public static String print(ForrestConfig config) {
        return print(config, Secret::toString);
    }

    /** Writes secrets as the caller wants them. */
    static String print(ForrestConfig config, Function<Secret, String> secrets) {
        ConfigPrinter printer = new ConfigPrinter(secrets);
        printer.host(config.host());
        printer.github(config.github());
        printer.repositories(config.repositories());
        return printer.yaml.toString();
    }

    private void host(HostConfig host) {
        line(0, "host:");
        entry(1, "base_dir", scalar(host.baseDirectory().toString()));
        entry(1, "ram", host.ram().toString());
        entry(1, "disk_reserve", host.diskReserve().toString());
        host.listen().ifPresent(listen -> entry(1, "listen", scalar(text(listen))));
        entry(1, "hypervisor", scalar(host.hypervisor()));
        textMapping(1, host.hypervisor(), host.hypervisorSettings());
        entry(1, "runner", text(host.runner()));
        line(1, "retention:");
        entry(2, "generations", Integer.toString(host.retention().generations()));
        host.retention().generationAge().ifPresent(age -> entry(2, "generation_age", text(age)));
        entry(2, "runs", text(host.retention().runs()));
        entry(2, "log_size", host.retention().logSize().toString());
    }

    private void github(GitHubConfig github) {
        line(0, "github:");
        entry(1, "app_id", scalar(github.appId()));
        entry(1, "jwt_key_file", scalar(github.keyFile().toString()));
        entry(1, "webhook_secret", secret(github.webhookSecret()));
        entry(1, "polling_interval", text(github.pollingInterval()));
        entry(1, "api_url", scalar(github.apiUrl().toString()));
    }

    private void repositories(Map<RepositoryId, RepositoryConfig> repositories) {
        Map<String, Map<String, RepositoryConfig>> byOwner = new TreeMap<>();
        repositories.forEach((id, repository) ->
                byOwner.computeIfAbsent(id.owner(), owner -> new TreeMap<>()).put(id.name(), repository));
        head(0, "repositories", byOwner.keySet());
        byOwner.forEach((owner, names) -> {
            line(1, scalar(owner) + ":");
            names.forEach(this::repository);
        });
    }

    private void repository(String name, RepositoryConfig repository) {
        line(2, scalar(name) + ":");
        repository.persistenceToken().ifPresent(token -> entry(3, "persistence_token", secret(token)));
        head(3, "machines", repository.machines().keySet());
        repository.machines().forEach(this::machineType);
    }

    private void machineType(String name, MachineType type) {
        line(4, scalar(name) + ":");
        type.baseMachine().map(MachineTypeId::toString).ifPresent(base -> entry(5, "base_machine", scalar(base)));
        type.baseImage().ifPresent(image -> entry(5, "base_image", scalar(image.toString())));
        entry(5, "use_base", text(type.useBase()));
        line(5, "setup_template:");
        entry(6, "path", scalar(type.setupTemplate().path().toString()));
        textMapping(6, "parameters", type.setupTemplate().parameters());
        entry(5, "runner", text(type.runner()));
        entry(5, "cpus", Integer.toString(type.cpus()));
        entry(5, "disk", type.disk().toString());
        entry(5, "ram", type.ram().toString());
        head(5, "shared", type.shared());
        type.shared().forEach(directory -> {
            entry(6, "- path", scalar(directory.path().toString()));
            entry(7, "tag", scalar(directory.tag()));
            entry(7, "writable", Boolean.toString(directory.writable()));
        });
        head(5, "network_interfaces", type.networkInterfaces());
        type.networkInterfaces().forEach(networkInterface -> {
            entry(6, "- type", "vde");
            entry(7, "path", scalar(networkInterface.path().toString()));
        });
        head(5, "artifacts", type.artifacts());
        type.artifacts().forEach(store -> {
            entry(6, "- name", scalar(store.name()));
            entry(7, "path", scalar(store.path()));
            entry(7, "url", scalar(store.url()));
            entry(7, "quota", store.quota().toString());
            store.token().ifPresent(token -> entry(7, "token", secret(token)));
        });
    }

    private void textMapping(int level, String key, Map<String, String> texts) {
        head(level, key, texts.keySet());
        texts.forEach((name, text) -> entry(level + 1, scalar(name), scalar(text)));
    }

    /** The key of a collection, which needs a value of its own if there is nothing to follow. */
    private void head(int level, String key, Collection<?> content) {
        String empty = content instanceof List ? " []" : " {}";
        line(level, scalar(key) + ":" + (content.isEmpty() ? empty : ""));
    }

    private void entry(int level, String key, String value) {
        line(level, key + ": " + value);
    }

    private void line(int level, String text) {
        yaml.append("  ".repeat(level)).append(text).append('\n');
    }

    private String secret(Secret secret) {
        return scalar(secrets.apply(secret));
    }

    private static String text(InetSocketAddress address) {
        String host = address.isUnresolved()
                ? address.getHostString()
                : address.getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    private static String text(UseBase useBase) {
        return useBase.name().toLowerCase(Locale.ROOT);
    }

    private static String text(RunnerSource runner) {
        return runner.name().toLowerCase(Locale.ROOT);
    }

    /** In the largest unit that is exact. */
    private static String text(Duration duration) {
        long seconds = duration.toSeconds();
        if (seconds % 86_400 == 0) {
            return seconds / 86_400 + "d";
        }
        if (seconds % 3_600 == 0) {
            return seconds / 3_600 + "h";
        }
        return seconds % 60 == 0 ? seconds / 60 + "m" : seconds + "s";
    }

    /** Text as YAML, between quotes unless it needs none. */
    private static String scalar(String text) {
        if (PLAIN.matcher(text).matches() && !WORDS.contains(text.toLowerCase(Locale.ROOT))) {
            return text;
        }
        StringBuilder quoted = new StringBuilder("\"");
        text.codePoints().forEach(character -> {
            switch (character) {
                case '"' -> quoted.append("\\\"");
                case '\\' -> quoted.append("\\\\");
                case '\n' -> quoted.append("\\n");
                case '\t' -> quoted.append("\\t");
                default -> {
                    if (Display.isHarmless(character)) {
                        quoted.appendCodePoint(character);
                    } else {
                        quoted.append(String.format(character > 0xFFFF ? "\\U%08X" : "\\u%04X", character));
                    }
                }
            }
        });
        return quoted.append('"').toString();
    }
}
