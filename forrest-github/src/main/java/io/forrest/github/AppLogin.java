package io.forrest.github;

import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How the App introduces itself, with the key that is in its file now: whoever replaces it need not start Forrest again.
 * While GitHub refuses the key, it is shown to GitHub later and later, unless another comes or GitHub's clock turns out to
 * be another. Thread-safe.
 */
final class AppLogin {
    private static final Logger LOG = LoggerFactory.getLogger(AppLogin.class);
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(10);

    /** Less than half of what a token is good for. */
    private static final Duration REUSED_FOR = Duration.ofMinutes(4);

    private final String appId;
    private final Path file;
    private final GitHubClock clock;
    private final BackOff backOff;

    // Guarded by this.
    private AppKey key;
    private Optional<String> badFile = Optional.empty();
    private Optional<Refused> refused = Optional.empty();
    private Optional<Token> issued = Optional.empty();

    private record Token(Attempt attempt, Secret value, Instant since) {}

    /** What was refused, and until when it need not be tried again. */
    private record Refused(Attempt attempt, PluginException why, Instant until) {}

    /** Reads the key. Throws {@code BROKEN} if it is no good. */
    AppLogin(String appId, Path file, GitHubClock clock, Duration longestPause, RandomGenerator random)
            throws PluginException {
        this.appId = appId;
        this.file = file;
        this.clock = clock;
        this.backOff = new BackOff(FIRST_PAUSE, longestPause, random);
        this.key = AppKey.read(file);
    }

    /** What a token was made of. */
    record Attempt(AppKey key, Duration clockAhead) {
        boolean isSameAs(Attempt other) {
            return key.isSameAs(other.key)
                    && clockAhead.minus(other.clockAhead).abs().toSeconds() <= 1;
        }
    }

    /** With the key in the file, or with the last good one if there is none. */
    synchronized Attempt attempt() {
        try {
            AppKey now = AppKey.read(file);
            if (!now.isSameAs(key)) {
                LOG.info("{} holds another key now, which is used from now on.", file);
                key = now;
            }
            badFile = Optional.empty();
        } catch (PluginException e) {
            if (!badFile.equals(Optional.of(e.getMessage()))) {
                badFile = Optional.of(e.getMessage());
                LOG.warn("The App's key that was read before is used as long as GitHub takes it. {}", e.getMessage());
            }
        }
        return new Attempt(key, clock.ahead());
    }

    /** Throws {@link KnownTrouble} if the same was refused lately. */
    synchronized void check(Attempt attempt) throws PluginException {
        Optional<Refused> again = refused.filter(
                last -> last.attempt().isSameAs(attempt) && clock.instant().isBefore(last.until()));
        if (again.isPresent()) {
            throw new KnownTrouble(again.get().why());
        }
    }

    /** The same for a few minutes: GitHub tells with 304 that something has not changed only to who has the same token. */
    synchronized Secret token(Attempt attempt) {
        Instant now = clock.instant();
        Token token = issued.filter(last -> last.attempt().isSameAs(attempt)
                        && !now.isBefore(last.since())
                        && now.isBefore(last.since().plus(REUSED_FOR)))
                .orElseGet(() -> new Token(attempt, attempt.key().jsonWebToken(appId, now), now));
        issued = Optional.of(token);
        return token.value();
    }

    /** GitHub takes no token of this kind; returns what to throw. */
    synchronized PluginException refused(Attempt attempt, PluginException why) {
        if (refused.isEmpty()) {
            LOG.error(
                    "GitHub refuses the App's key. {} If the key was replaced at GitHub, put the new one into {}: it is read"
                            + " again by itself. Until then no job is found and no machine starts.",
                    why.getMessage(),
                    file);
        }
        issued = Optional.empty();
        refused = Optional.of(new Refused(attempt, why, clock.instant().plus(backOff.next())));
        return new KnownTrouble(why);
    }

    synchronized void taken() {
        if (refused.isPresent()) {
            LOG.info("GitHub takes the App's key again.");
            refused = Optional.empty();
            backOff.reset();
        }
    }

    /** When it may be tried again; empty if at once. */
    synchronized Optional<Instant> pausedUntil() {
        return refused.map(Refused::until);
    }
}
