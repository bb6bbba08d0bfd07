package io.forrest.github;

import io.forrest.config.GitHubConfig;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URL;
import java.time.Clock;
import java.util.Optional;
import org.kohsuke.github.GitHub;
import org.kohsuke.github.GitHubAbuseLimitHandler;
import org.kohsuke.github.GitHubBuilder;
import org.kohsuke.github.GitHubRateLimitHandler;
import org.kohsuke.github.authorization.AuthorizationProvider;
import org.kohsuke.github.connector.GitHubConnector;
import org.kohsuke.github.connector.GitHubConnectorRequest;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * GitHub's REST API as seen by the App and its installations.
 *
 * <p>Thread-safe. A request blocks for at most half a minute, and so do the two that may have to fetch a token for it, or a
 * new one when GitHub refuses the old.
 */
public final class GitHubConnection {
    private static final int UNAUTHORIZED = 401;

    private final GitHubConfig config;
    private final AppKey key;
    private final Clock clock;
    private final RestConnector connector;
    private final Installations installations;
    private final Pauses pauses;

    /** Reads the App's key; asks GitHub nothing yet. Throws {@code BROKEN} if the key is no good. */
    public GitHubConnection(GitHubConfig config, Clock clock) throws PluginException {
        this(config, clock, new RestConnector());
    }

    GitHubConnection(GitHubConfig config, Clock clock, RestConnector connector) throws PluginException {
        this.config = config;
        this.clock = clock;
        this.connector = connector;
        this.key = AppKey.read(config.keyFile());
        this.installations = new Installations(this, clock);
        this.pauses = new Pauses(clock);
    }

    /** Fetches what the first request for a repository will need, so that it is a single one. Blocks on the network. */
    public void prepare(RepositoryId repository) throws PluginException {
        installations.token(repository);
    }

    /** Calls as the App itself. Every answer that is not a success is an exception. */
    RestAnswer asApp(String method, String path) throws PluginException {
        Secret token = key.jsonWebToken(config.appId(), clock.instant());
        RestAnswer answer = send(Optional.empty(), method, address(path), token, new byte[0]);
        GitHubErrors.throwUnlessGood(method + " " + path, answer, clock.instant());
        return answer;
    }

    /** Calls as the installation that has {@code repository}. An answer that is not a success is a {@link GitHubRefusal}. */
    RestAnswer asInstallation(RepositoryId repository, String method, URI address, byte[] json) throws PluginException {
        // Before a token is fetched that could not be used.
        pauses.check(Optional.of(repository));
        Secret token = installations.token(repository);
        RestAnswer answer = send(Optional.of(repository), method, address, token, json);
        if (answer.status() == UNAUTHORIZED) {
            // It was revoked, or GitHub's clock is ahead of ours. A second refusal is one.
            installations.forget(repository, token);
            answer = send(Optional.of(repository), method, address, installations.token(repository), json);
        }
        GitHubErrors.throwUnlessGood(method + " " + address.getPath(), answer, clock.instant());
        return answer;
    }

    /** {@code path} begins with a slash. */
    URI address(String path) {
        return URI.create(config.apiUrl() + path);
    }

    /** The client library, working as the installation that has {@code repository}. Sends nothing yet. */
    GitHub client(RepositoryId repository) {
        AuthorizationProvider authorization = () -> {
            try {
                return "Bearer " + installations.token(repository).reveal();
            } catch (PluginException e) {
                throw new IOException(e.getMessage(), e);
            }
        };
        try {
            return new GitHubBuilder()
                    .withEndpoint(config.apiUrl().toString())
                    .withAuthorizationProvider(authorization)
                    .withConnector(connector(repository))
                    // Those of the library that wait block their thread for up to an hour.
                    .withRateLimitHandler(GitHubRateLimitHandler.FAIL)
                    .withAbuseLimitHandler(GitHubAbuseLimitHandler.FAIL)
                    .build();
        } catch (IOException e) {
            throw new IllegalStateException("the library sends nothing here", e);
        }
    }

    /** Says errors in our words, which the library then carries as the cause of its own, and tries nothing again for them. */
    private GitHubConnector connector(RepositoryId repository) {
        return request -> {
            try {
                GitHubConnectorResponse response = exchange(Optional.of(repository), request);
                if (response.statusCode() == UNAUTHORIZED) {
                    // Upon this answer the library asks for a new token, once.
                    String authorization =
                            Optional.ofNullable(request.header("Authorization")).orElse("");
                    installations.forget(repository, Secret.of(authorization.replaceFirst("^Bearer ", "")));
                } else if (response.statusCode() >= 300) {
                    GitHubErrors.throwUnlessGood(
                            request.method() + " " + request.url().getPath(), RestAnswer.of(response), clock.instant());
                }
                return response;
            } catch (PluginException e) {
                throw new IOException(e.getMessage(), e);
            }
        };
    }

    private RestAnswer send(Optional<RepositoryId> whose, String method, URI address, Secret token, byte[] json)
            throws PluginException {
        try (GitHubConnectorResponse response =
                exchange(whose, new RestRequest(method, url(address), "Bearer " + token.reveal(), json))) {
            return RestAnswer.of(response);
        } catch (IOException e) {
            throw noAnswer(e);
        }
    }

    /** Sends a request of the installation of {@code whose}, or of the App. */
    private GitHubConnectorResponse exchange(Optional<RepositoryId> whose, GitHubConnectorRequest request)
            throws PluginException {
        pauses.check(whose);
        if (!request.url().getAuthority().equalsIgnoreCase(config.apiUrl().getAuthority())
                || !request.url().getProtocol().equalsIgnoreCase(config.apiUrl().getScheme())) {
            // The address of a next page is the only one that is not ours.
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    "GitHub points to " + request.url().getAuthority() + ", which is not github.api_url ("
                            + config.apiUrl() + "). No token is sent there.");
        }
        try {
            GitHubConnectorResponse response = connector.send(request);
            if (response.statusCode() >= 400) {
                pauses.note(whose, RestAnswer.of(response).pause());
            }
            return response;
        } catch (IOException e) {
            throw noAnswer(e);
        }
    }

    private PluginException noAnswer(IOException e) {
        return new PluginException(
                PluginException.Kind.RETRY_LATER,
                "GitHub at " + config.apiUrl() + " does not answer: " + e.getMessage() + ".",
                e);
    }

    private static URL url(URI address) throws PluginException {
        try {
            return address.toURL();
        } catch (MalformedURLException | IllegalArgumentException e) {
            throw new PluginException(PluginException.Kind.BROKEN, "github.api_url: " + e.getMessage() + ".", e);
        }
    }
}
