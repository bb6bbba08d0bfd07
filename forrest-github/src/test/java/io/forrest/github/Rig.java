package io.forrest.github;

import io.forrest.config.ConfigSource;
import io.forrest.config.ForrestConfig;
import io.forrest.config.GitHubConfig;
import io.forrest.config.HostConfig;
import io.forrest.config.RepositoryConfig;
import io.forrest.config.RetentionConfig;
import io.forrest.domain.DataSize;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/** An embedded GitHub, and what Forrest needs to work with it. */
final class Rig implements AutoCloseable {
    static final RepositoryId FIRMWARE = new RepositoryId("acme", "firmware");

    private static final long SEED = 1;

    final EmbeddedGitHub github;
    final Clock clock;
    private final Path directory;

    Rig(Clock clock) throws IOException {
        this.clock = clock;
        github = new EmbeddedGitHub(clock);
        github.addRepository(FIRMWARE);
        directory = Files.createTempDirectory("forrest-github");
        github.writeKey(keyFile());
    }

    Path keyFile() {
        return directory.resolve("key.pem");
    }

    /** Where a poller keeps what it has seen. */
    Path pollingState() {
        return directory.resolve("polling.json");
    }

    /** Where it is kept which webhooks were asked for again. */
    Path webhooksState() {
        return directory.resolve("webhooks.json");
    }

    GitHubConfig config() {
        return config(github.apiUrl(), Duration.ofMinutes(15));
    }

    GitHubConfig config(URI apiUrl, Duration pollingInterval) {
        return new GitHubConfig(github.appId(), keyFile(), Secret.of(github.webhookSecret()), pollingInterval, apiUrl);
    }

    /** To the embedded GitHub. */
    GitHubConnection connection() throws PluginException {
        return connection(config(), clock, new RestConnector());
    }

    /** To another server, with the App's key of this one. */
    GitHubConnection connection(URI apiUrl, RestConnector connector) throws PluginException {
        return connection(config(apiUrl, Duration.ofMinutes(15)), clock, connector);
    }

    /** Jitter is the same each time. */
    GitHubConnection connection(GitHubConfig config, Clock hostClock, RestConnector connector) throws PluginException {
        return new GitHubConnection(config, hostClock, connector, new Random(SEED));
    }

    /** Only the repositories and the section {@code github} matter. */
    ForrestConfig whole(GitHubConfig section, RepositoryId... repositories) {
        Map<RepositoryId, RepositoryConfig> all = new HashMap<>();
        List.of(repositories).forEach(id -> all.put(id, new RepositoryConfig(Optional.empty(), Map.of())));
        return new ForrestConfig(
                new HostConfig(
                        directory,
                        DataSize.parse("1G"),
                        HostConfig.DEFAULT_DISK_RESERVE,
                        Optional.empty(),
                        "fake",
                        Map.of(),
                        HostConfig.DEFAULT_RUNNER,
                        RetentionConfig.DEFAULT),
                section,
                all);
    }

    ConfigSource source(RepositoryId... repositories) {
        ForrestConfig whole = whole(config(), repositories);
        return () -> whole;
    }

    /** The requests so far whose method and address contain {@code part}. */
    List<String> requests(String part) {
        return github.requests().stream()
                .filter(request -> request.contains(part))
                .toList();
    }

    @Override
    public void close() throws IOException {
        github.close();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
