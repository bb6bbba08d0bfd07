package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;

/** The App's installations and their access tokens, each asked for once and used until shortly before its end. */
final class Installations {
    /** A request that begins now must still be allowed when it reaches GitHub, and clocks differ. */
    private static final Duration MARGIN = Duration.ofMinutes(5);

    private final GitHubConnection connection;
    private final Clock clock;
    private final Map<RepositoryId, Access> accesses = new ConcurrentHashMap<>();

    Installations(GitHubConnection connection, Clock clock) {
        this.connection = connection;
        this.clock = clock;
    }

    private record Token(String value, Instant expiresAt) {}

    /** One repository's way in; locked by itself, so that many waiting requests fetch one token. */
    private static final class Access {
        private OptionalLong installation = OptionalLong.empty();
        private Optional<Token> token = Optional.empty();
    }

    String token(RepositoryId repository) throws PluginException {
        Access access = accesses.computeIfAbsent(repository, any -> new Access());
        synchronized (access) {
            Optional<Token> usable =
                    access.token.filter(token -> clock.instant().plus(MARGIN).isBefore(token.expiresAt()));
            if (usable.isPresent()) {
                return usable.get().value();
            }
            try {
                Token token = fetch(repository, access);
                access.token = Optional.of(token);
                return token.value();
            } catch (PluginException e) {
                // The App may have been removed and installed again, under another number.
                access.installation = OptionalLong.empty();
                access.token = Optional.empty();
                throw e;
            }
        }
    }

    private Token fetch(RepositoryId repository, Access access) throws PluginException {
        if (access.installation.isEmpty()) {
            String path = "/repos/" + repository + "/installation";
            access.installation = OptionalLong.of(
                    connection.asApp("GET", path).body().path("id").asLong());
        }
        String path = "/app/installations/" + access.installation.getAsLong() + "/access_tokens";
        JsonNode body = connection.asApp("POST", path).body();
        try {
            return new Token(
                    body.path("token").asText(),
                    Instant.parse(body.path("expires_at").asText()));
        } catch (DateTimeException e) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER, "GitHub answered to POST " + path + " with no usable token.", e);
        }
    }

    /** Throws {@code token} away, unless it has been replaced already. */
    void forget(RepositoryId repository, String token) {
        Access access = accesses.computeIfAbsent(repository, any -> new Access());
        synchronized (access) {
            access.token = access.token.filter(kept -> !kept.value().equals(token));
        }
    }
}
