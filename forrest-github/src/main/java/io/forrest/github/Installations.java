package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The App's installations and their access tokens, each asked for once and used until shortly before its end.
 *
 * <p>Whoever needs a token while it is being fetched waits for that fetch and shares what becomes of it. If each tried for
 * itself, the last of many would wait through as many timeouts.
 */
final class Installations {
    private static final Logger LOG = LoggerFactory.getLogger(Installations.class);

    /** A request that begins now must still be allowed when it reaches GitHub, and clocks differ. */
    private static final Duration MARGIN = Duration.ofMinutes(5);

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(5);

    private final GitHubConnection connection;
    private final Clock clock;
    private final Duration longestPause;
    private final RandomGenerator random;
    private final Map<RepositoryId, Access> accesses = new ConcurrentHashMap<>();

    Installations(GitHubConnection connection, Clock clock, Duration longestPause, RandomGenerator random) {
        this.connection = connection;
        this.clock = clock;
        this.longestPause = longestPause;
        this.random = random;
    }

    private record Token(Secret value, Instant expiresAt) {}

    /** One repository's way in. Guarded by itself, which nobody holds while GitHub is asked. */
    private static final class Access {
        private final BackOff backOff;
        private OptionalLong installation = OptionalLong.empty();
        private Optional<Token> token = Optional.empty();
        private Optional<CompletableFuture<Token>> fetch = Optional.empty();
        private Optional<Refused> refused = Optional.empty();

        Access(BackOff backOff) {
            this.backOff = backOff;
        }
    }

    /** The App is not installed, or is suspended; it is not asked again before that time. */
    private record Refused(PluginException why, Instant until) {}

    private Access access(RepositoryId repository) {
        return accesses.computeIfAbsent(repository, any -> new Access(new BackOff(FIRST_PAUSE, longestPause, random)));
    }

    /** Until when the installation is let alone, because it is none or is suspended. */
    Optional<Instant> pausedUntil(RepositoryId repository) {
        Access access = access(repository);
        synchronized (access) {
            return access.refused.map(Refused::until);
        }
    }

    /** GitHub's number for the installation that has {@code repository}; empty before the first token. */
    OptionalLong number(RepositoryId repository) {
        Access access = access(repository);
        synchronized (access) {
            return access.installation;
        }
    }

    /** The installation is none, or is suspended: it is let alone for a while. Returns what to throw. */
    PluginException refused(RepositoryId repository, PluginException why) {
        Access access = access(repository);
        synchronized (access) {
            if (access.refused.isEmpty()) {
                LOG.warn(
                        "Nothing can be done for {}. {} It is tried again later and later.",
                        repository,
                        why.getMessage());
            }
            access.refused = Optional.of(new Refused(why, clock.instant().plus(access.backOff.next())));
            access.token = Optional.empty();
            // The App may have been removed and installed again, under another number.
            access.installation = OptionalLong.empty();
        }
        return new KnownTrouble(why);
    }

    /**
     * A token for {@code repository}. A refusal here is about the installation, whatever its status, and so is no
     * {@link GitHubRefusal}: that would be taken for one of the request that the token is wanted for.
     */
    Secret token(RepositoryId repository) throws PluginException {
        Access access = access(repository);
        CompletableFuture<Token> mine = new CompletableFuture<>();
        CompletableFuture<Token> fetch;
        synchronized (access) {
            Optional<Token> usable =
                    access.token.filter(token -> clock.instant().plus(MARGIN).isBefore(token.expiresAt()));
            if (usable.isPresent()) {
                return usable.get().value();
            }
            Optional<Refused> again =
                    access.refused.filter(last -> clock.instant().isBefore(last.until()));
            if (again.isPresent()) {
                throw new KnownTrouble(again.get().why());
            }
            fetch = access.fetch.orElse(mine);
            access.fetch = Optional.of(fetch);
        }
        if (fetch == mine) {
            carryOut(mine, repository, access);
        }
        try {
            return fetch.get().value();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER, "Interrupted while waiting for GitHub's token.", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof PluginException failed) {
                throw new PluginException(failed.kind(), failed.getMessage(), failed);
            }
            throw new IllegalStateException("fetching a token failed", e.getCause());
        }
    }

    /** Completes {@code fetch} in any case: others wait for it. */
    private void carryOut(CompletableFuture<Token> fetch, RepositoryId repository, Access access) {
        try {
            Token token = ask(repository, access);
            synchronized (access) {
                access.token = Optional.of(token);
                access.fetch = Optional.empty();
                if (access.refused.isPresent()) {
                    LOG.info("The App works for {} again.", repository);
                    access.refused = Optional.empty();
                    access.backOff.reset();
                }
            }
            fetch.complete(token);
        } catch (PluginException | RuntimeException e) {
            synchronized (access) {
                access.token = Optional.empty();
                access.fetch = Optional.empty();
            }
            fetch.completeExceptionally(
                    e instanceof PluginException failed && failed.kind() == PluginException.Kind.REJECTED
                            ? refused(repository, failed)
                            : e);
        }
    }

    private Token ask(RepositoryId repository, Access access) throws PluginException {
        OptionalLong installation;
        synchronized (access) {
            installation = access.installation;
        }
        if (installation.isEmpty()) {
            String path = "/repos/" + repository + "/installation";
            JsonNode id = connection.asApp("GET", path).body().path("id");
            if (!id.canConvertToLong()) {
                throw unusable("GET " + path, "an installation");
            }
            installation = OptionalLong.of(id.longValue());
            synchronized (access) {
                access.installation = installation;
            }
        }
        String path = "/app/installations/" + installation.getAsLong() + "/access_tokens";
        JsonNode body = connection.asApp("POST", path).body();
        String token = body.path("token").asText("");
        try {
            Instant expiresAt = Instant.parse(body.path("expires_at").asText(""));
            if (!token.isEmpty()) {
                return new Token(Secret.of(token), expiresAt);
            }
        } catch (DateTimeException e) {
            // Said below.
        }
        throw unusable("POST " + path, "a token");
    }

    private static PluginException unusable(String request, String what) {
        return new PluginException(
                PluginException.Kind.RETRY_LATER,
                "GitHub answers " + request + " without " + what + ". Is github.api_url the address of its REST API?");
    }

    /** Throws {@code token} away, unless it has been replaced already. */
    void forget(RepositoryId repository, Secret token) {
        Access access = access(repository);
        synchronized (access) {
            access.token = access.token.filter(kept -> !kept.value().equals(token));
        }
    }
}
