package io.forrest.github;

import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.kohsuke.github.connector.GitHubConnectorResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps quiet for as long as GitHub asks for ("Rate limits for the REST API" in its documentation): who goes on asking
 * while limited is locked out for longer. Limits count for each installation, which is one for each owner of repositories,
 * and for the App. Thread-safe.
 */
final class Pauses {
    /** What GitHub advises where it says no time. */
    private static final Duration ADVISED = Duration.ofMinutes(1);

    /** Limits are counted by the hour; a longer time is a mistake, or a clock's. */
    private static final Duration LONGEST = Duration.ofHours(1);

    private static final Logger LOG = LoggerFactory.getLogger(Pauses.class);

    private final Clock clock;
    private final Map<Optional<String>, Instant> until = new ConcurrentHashMap<>();

    Pauses(Clock clock) {
        this.clock = clock;
    }

    /** What an answer says about limits. */
    record Signs(int status, Optional<String> retryAfter, boolean nothingLeft, Optional<String> reset, String message) {
        static Signs of(GitHubConnectorResponse response, String message) {
            return new Signs(
                    response.statusCode(),
                    Optional.ofNullable(response.header("Retry-After")),
                    "0".equals(response.header("X-RateLimit-Remaining")),
                    Optional.ofNullable(response.header("X-RateLimit-Reset")),
                    message);
        }

        /** How long to wait; empty if this is no matter of limits. */
        Optional<Duration> pause(Instant now) {
            boolean limited = status == 429 || (status == 403 && (nothingLeft || saysSo()));
            Optional<Duration> asked = retryAfter
                    .map(Signs::seconds)
                    .filter(wait -> status == 403 || status == 429 || status == 503)
                    .or(() -> limited && nothingLeft
                            ? reset.map(Signs::seconds).map(epoch -> Duration.between(now, Instant.EPOCH.plus(epoch)))
                            : Optional.empty());
            return asked.or(() -> limited ? Optional.of(ADVISED) : Optional.empty())
                    .map(Signs::sensible);
        }

        private boolean saysSo() {
            return message.contains("rate limit") || message.contains("abuse");
        }

        private static Duration seconds(String text) {
            try {
                return Duration.ofSeconds(Integer.toUnsignedLong(Integer.parseUnsignedInt(text.strip())));
            } catch (NumberFormatException e) {
                return ADVISED;
            }
        }

        private static Duration sensible(Duration pause) {
            if (pause.compareTo(LONGEST) > 0) {
                return LONGEST;
            }
            return pause.compareTo(Duration.ofSeconds(1)) < 0 ? Duration.ofSeconds(1) : pause;
        }
    }

    /** Throws {@link KnownTrouble} while GitHub wants no requests of the installation of {@code whose}; empty is the App. */
    void check(Optional<RepositoryId> whose) throws PluginException {
        Optional<Instant> end = until(whose).filter(clock.instant()::isBefore);
        if (end.isPresent()) {
            throw new KnownTrouble(
                    PluginException.Kind.RETRY_LATER,
                    "GitHub wants no requests for " + name(whose) + " until "
                            + end.get().truncatedTo(ChronoUnit.SECONDS) + ": too many were made.");
        }
    }

    /** The end of the latest pause. */
    Optional<Instant> until(Optional<RepositoryId> whose) {
        return Optional.ofNullable(until.get(owner(whose)));
    }

    synchronized void note(Optional<RepositoryId> whose, Signs signs) {
        Instant now = clock.instant();
        signs.pause(now).map(now::plus).ifPresent(end -> {
            boolean first = until(whose).filter(now::isBefore).isEmpty();
            until.merge(owner(whose), end, (a, b) -> a.isAfter(b) ? a : b);
            if (first) {
                LOG.warn(
                        "GitHub is asked too much for {}: nothing more until {}.",
                        name(whose),
                        end.truncatedTo(ChronoUnit.SECONDS));
            }
        });
    }

    private static Optional<String> owner(Optional<RepositoryId> whose) {
        return whose.map(id -> id.owner().toLowerCase(Locale.ROOT));
    }

    private static String name(Optional<RepositoryId> whose) {
        return whose.map(id -> "the repositories of " + id.owner()).orElse("the App");
    }
}
