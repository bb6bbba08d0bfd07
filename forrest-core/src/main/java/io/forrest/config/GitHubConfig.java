package io.forrest.config;

import io.forrest.domain.Secret;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/**
 * The section {@code github}: the GitHub App. Read once at start.
 *
 * @param appId the App's id or client id
 * @param keyFile {@code jwt_key_file}: its private key, PEM
 * @param apiUrl the REST API's address, without a slash at the end
 */
public record GitHubConfig(String appId, Path keyFile, Secret webhookSecret, Duration pollingInterval, URI apiUrl) {
    public static final URI DEFAULT_API_URL = URI.create("https://api.github.com");
    public static final Duration DEFAULT_POLLING_INTERVAL = Duration.ofMinutes(15);

    public GitHubConfig {
        Objects.requireNonNull(appId);
        Objects.requireNonNull(keyFile);
        Objects.requireNonNull(webhookSecret);
        Objects.requireNonNull(pollingInterval);
        Objects.requireNonNull(apiUrl);
    }
}
