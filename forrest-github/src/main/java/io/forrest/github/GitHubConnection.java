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
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
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

    /** As with machines that cannot be started. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(5);

    /** What polls of some 300 busy repositories and 3000 unfinished runs are answered with. */
    private static final long MOST_KEPT_BYTES = 16L << 20;

    private final GitHubConfig config;
    private final AppLogin login;
    private final GitHubClock clock;
    private final RestConnector connector;
    private final AnswerCache answers;
    private final Installations installations;
    private final Pauses pauses;
    private final Reachability reachability;

    /** Reads the App's key; asks GitHub nothing yet. Throws {@code BROKEN} if the key is no good. */
    public GitHubConnection(GitHubConfig config, Clock clock) throws PluginException {
        this(config, clock, new RestConnector(), new Random());
    }

    /** {@code random}, which is thread-safe, spreads attempts. */
    GitHubConnection(GitHubConfig config, Clock clock, RestConnector connector, RandomGenerator random)
            throws PluginException {
        this.config = config;
        this.clock = new GitHubClock(clock);
        this.connector = connector;
        this.answers = new AnswerCache(
                MOST_KEPT_BYTES, config.pollingInterval().multipliedBy(3).plus(Duration.ofHours(1)), clock);
        // What is put off must be possible again when the next poll but one comes.
        Duration longestPause = min(LONGEST_PAUSE, config.pollingInterval().dividedBy(2));
        this.login = new AppLogin(config.appId(), config.keyFile(), this.clock, longestPause, random);
        this.installations = new Installations(this, this.clock, longestPause, random);
        this.pauses = new Pauses(this.clock);
        this.reachability = new Reachability(config.apiUrl(), clock);
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    /** {@code action} is called whenever GitHub is back after an outage, and returns at once. */
    void whenBack(Runnable action) {
        reachability.whenBack(action);
    }

    /** GitHub's time, as far as it is known. */
    Instant now() {
        return clock.instant();
    }

    /** Whether the log tells why {@code failure}, which a request ended with, had to be. */
    boolean isKnown(Exception failure) {
        return reachability.isAway() || KnownTrouble.isAtRootOf(failure);
    }

    /** Whether requests go unanswered; a single one more may show that they do not any longer. */
    boolean isAway() {
        return reachability.isAway();
    }

    /** How long GitHub is not to be asked for {@code whose}, empty for the App, as far as is known; zero if it may be. */
    Duration pause(Optional<RepositoryId> whose) {
        Instant now = clock.instant();
        return Stream.of(
                        pauses.until(whose),
                        pauses.until(Optional.empty()),
                        login.pausedUntil(),
                        whose.flatMap(installations::pausedUntil))
                .flatMap(Optional::stream)
                .filter(now::isBefore)
                .max(Comparator.naturalOrder())
                .map(until -> Duration.between(now, until))
                .orElse(Duration.ZERO);
    }

    /** Fetches what the first request for a repository will need, so that it is a single one. Blocks on the network. */
    public void prepare(RepositoryId repository) throws PluginException {
        installations.token(repository);
    }

    /** Calls as the App itself. Every answer that is not a success is an exception. */
    RestAnswer asApp(String method, String path) throws PluginException {
        return asApp(method, address(path));
    }

    /** As {@link #asApp(String, String)}, for the address of a further page, too. */
    RestAnswer asApp(String method, URI address) throws PluginException {
        AppLogin.Attempt attempt = login.attempt();
        login.check(attempt);
        RestAnswer answer = send(Optional.empty(), method, address, login.token(attempt), new byte[0]);
        AppLogin.Attempt next = login.attempt();
        if (answer.status() == UNAUTHORIZED && !next.isSameAs(attempt)) {
            // The answer told GitHub's time, or the key was replaced meanwhile.
            attempt = next;
            answer = send(Optional.empty(), method, address, login.token(attempt), new byte[0]);
        }
        try {
            GitHubErrors.throwUnlessGood(method + " " + address.getPath(), answer, clock.instant());
        } catch (GitHubRefusal e) {
            throw e.status() == UNAUTHORIZED ? login.refused(attempt, e) : e;
        }
        login.taken();
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
        try {
            GitHubErrors.throwUnlessGood(method + " " + address.getPath(), answer, clock.instant());
        } catch (GitHubRefusal e) {
            throw noted(repository, e);
        }
        return answer;
    }

    /** What to throw for a refusal. A token outlives the suspension of its installation: this may be the first to hear of it. */
    private PluginException noted(RepositoryId repository, GitHubRefusal refusal) {
        return refusal.isSuspension() ? installations.refused(repository, refusal) : refusal;
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
                    try {
                        GitHubErrors.throwUnlessGood(
                                request.method() + " " + request.url().getPath(),
                                RestAnswer.of(response),
                                clock.instant());
                    } catch (GitHubRefusal e) {
                        throw noted(repository, e);
                    }
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
        long startNanos = System.nanoTime();
        GitHubConnectorResponse response;
        try {
            OptionalLong installation = whose.map(installations::number).orElse(OptionalLong.empty());
            response = answers.send(installation, request, connector::send);
        } catch (IOException e) {
            throw noAnswer(e);
        }
        clock.note(response, Duration.ofNanos(System.nanoTime() - startNanos));
        try {
            if (response.statusCode() >= 400) {
                pauses.note(whose, RestAnswer.of(response).pause());
            }
        } catch (IOException e) {
            throw noAnswer(e);
        }
        if (response.statusCode() >= 500) {
            reachability.failed("it answers " + response.statusCode());
        } else {
            reachability.answered();
        }
        return response;
    }

    private PluginException noAnswer(IOException e) {
        reachability.failed(String.valueOf(e.getMessage()));
        return new NoAnswer("GitHub at " + config.apiUrl() + " does not answer: " + e.getMessage() + ".", e);
    }

    private static URL url(URI address) throws PluginException {
        try {
            return address.toURL();
        } catch (MalformedURLException | IllegalArgumentException e) {
            throw new PluginException(PluginException.Kind.BROKEN, "github.api_url: " + e.getMessage() + ".", e);
        }
    }
}
