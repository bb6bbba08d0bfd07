package io.forrest.github;

import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * Keeps quiet for as long as GitHub asks for ("Rate limits for the REST API" in its documentation): who goes on asking
 * while limited is locked out for longer. Limits count for each installation; this one keeps them for each repository,
 * and one for the App. Thread-safe.
 */
final class Pauses {
    /** What GitHub advises where it says no time. */
    private static final Duration ADVISED = Duration.ofMinutes(1);

    /** Limits are counted by the hour; a longer time is a mistake, or a clock's. */
    private static final Duration LONGEST = Duration.ofHours(1);

    private final Clock clock;
    private final Map<Optional<RepositoryId>, Instant> until = new ConcurrentHashMap<>();

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

    /** Throws {@code RETRY_LATER} while GitHub wants no requests of {@code whose}; empty is the App. */
    void check(Optional<RepositoryId> whose) throws PluginException {
        Instant end = until.getOrDefault(whose, Instant.MIN);
        if (clock.instant().isBefore(end)) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    "GitHub wants no requests for " + name(whose) + " until " + end.truncatedTo(ChronoUnit.SECONDS)
                            + ": too many were made.");
        }
    }

    void note(Optional<RepositoryId> whose, Signs signs) {
        Instant now = clock.instant();
        signs.pause(now).ifPresent(pause -> until.merge(whose, now.plus(pause), (a, b) -> a.isAfter(b) ? a : b));
    }

    private static String name(Optional<RepositoryId> whose) {
        return whose.map(RepositoryId::toString).orElse("the App");
    }
}
