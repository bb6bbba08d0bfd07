package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.time.Clock;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.kohsuke.github.GitHub;
import org.kohsuke.github.GitHubAbuseLimitHandler;
import org.kohsuke.github.GitHubBuilder;
import org.kohsuke.github.GitHubRateLimitHandler;
import org.kohsuke.github.authorization.AuthorizationProvider;
import org.kohsuke.github.connector.GitHubConnector;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * GitHub's REST API as seen by the App and its installations. Thread-safe; what blocks, blocks for at most about a minute.
 */
public final class GitHubConnection {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern NEXT = Pattern.compile("<([^>]+)>;\\s*rel=\"next\"");
    private static final int UNAUTHORIZED = 401;

    private final GitHubConfig config;
    private final AppKey key;
    private final Clock clock;
    private final RestConnector connector = new RestConnector();
    private final Installations installations;

    /** Reads the App's key; asks GitHub nothing yet. Throws {@code BROKEN} if the key is no good. */
    public GitHubConnection(GitHubConfig config, Clock clock) throws PluginException {
        this.config = config;
        this.clock = clock;
        this.key = AppKey.read(config.keyFile());
        this.installations = new Installations(this, clock);
    }

    /** An answer of GitHub's. */
    record Answer(int status, JsonNode body, Optional<URI> nextPage) {}

    /** Fetches what the first request for a repository will need, so that it is a single one. Blocks on the network. */
    public void prepare(RepositoryId repository) throws PluginException {
        installations.token(repository);
    }

    /** Calls as the App itself. Every answer that is not a success is an exception. */
    Answer asApp(String method, String path) throws PluginException {
        String token = key.jsonWebToken(config.appId(), clock.instant());
        Answer answer = send(method, address(path), "Bearer " + token, new byte[0]);
        GitHubErrors.throwUnlessGood(method + " " + path, answer);
        return answer;
    }

    /** Calls as the installation that has {@code repository}. Every answer that is not a success is an exception. */
    Answer asInstallation(RepositoryId repository, String method, String path, byte[] json) throws PluginException {
        return asInstallation(repository, method, address(path), json);
    }

    Answer asInstallation(RepositoryId repository, String method, URI address, byte[] json) throws PluginException {
        String token = installations.token(repository);
        Answer answer = send(method, address, "Bearer " + token, json);
        if (answer.status() == UNAUTHORIZED) {
            // It was revoked, or GitHub's clock is ahead of ours. A second refusal is one.
            installations.forget(repository, token);
            answer = send(method, address, "Bearer " + installations.token(repository), json);
        }
        GitHubErrors.throwUnlessGood(method + " " + address.getPath(), answer);
        return answer;
    }

    URI address(String path) {
        return URI.create(config.apiUrl() + path);
    }

    /** The client library, working as the installation that has {@code repository}. Sends nothing yet. */
    GitHub client(RepositoryId repository) {
        AuthorizationProvider authorization = () -> {
            try {
                return "Bearer " + installations.token(repository);
            } catch (PluginException e) {
                throw new IOException(e.getMessage(), e);
            }
        };
        GitHubConnector noticingRefusedTokens = request -> {
            GitHubConnectorResponse response = connector.send(request);
            if (response.statusCode() == UNAUTHORIZED) {
                installations.forget(repository, bearer(request.header("Authorization")));
            }
            return response;
        };
        try {
            return new GitHubBuilder()
                    .withEndpoint(config.apiUrl().toString())
                    .withAuthorizationProvider(authorization)
                    .withConnector(noticingRefusedTokens)
                    // Those of the library that wait block their thread for up to an hour.
                    .withRateLimitHandler(GitHubRateLimitHandler.FAIL)
                    .withAbuseLimitHandler(GitHubAbuseLimitHandler.FAIL)
                    .build();
        } catch (IOException e) {
            throw new IllegalStateException("the library sends nothing here", e);
        }
    }

    private static String bearer(String authorization) {
        return authorization == null ? "" : authorization.replaceFirst("^(?i)bearer ", "");
    }

    private Answer send(String method, URI address, String authorization, byte[] json) throws PluginException {
        try {
            URL url = address.toURL();
            GitHubConnectorResponse response = connector.send(new RestRequest(method, url, authorization, json));
            try (response) {
                byte[] body = response.bodyStream().readAllBytes();
                JsonNode tree = body.length == 0 ? MissingNode.getInstance() : readTree(response.statusCode(), body);
                return new Answer(response.statusCode(), tree, nextPage(response.header("Link")));
            }
        } catch (IOException e) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER, "GitHub does not answer at " + config.apiUrl() + ": " + e, e);
        }
    }

    /** A proxy's error page is not JSON, but its status tells enough. */
    private static JsonNode readTree(int status, byte[] body) throws IOException {
        try {
            return JSON.readTree(body);
        } catch (IOException e) {
            if (status >= 400) {
                return MissingNode.getInstance();
            }
            throw e;
        }
    }

    private static Optional<URI> nextPage(String link) {
        if (link == null) {
            return Optional.empty();
        }
        Matcher matcher = NEXT.matcher(link);
        return matcher.find() ? Optional.of(URI.create(matcher.group(1))) : Optional.empty();
    }
}
