package io.forrest.github;

import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import org.kohsuke.github.connector.GitHubConnectorResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * GitHub's time: the host's, unless GitHub's answers show that the host's is wrong. GitHub takes no token of the App from a
 * clock that is a minute ahead, and names the ends of tokens and of limits by its own. Thread-safe.
 */
final class GitHubClock extends Clock {
    private static final Logger LOG = LoggerFactory.getLogger(GitHubClock.class);

    /** A date has whole seconds, and takes its time to get here. Less than this does no harm. */
    private static final Duration TOLERATED = Duration.ofSeconds(30);

    /** When a date was made is not known of an answer that took longer. */
    private static final Duration PROMPT = Duration.ofSeconds(5);

    private final Clock host;

    // Guarded by this.
    private Duration ahead = Duration.ZERO;
    private Duration said = Duration.ZERO;

    GitHubClock(Clock host) {
        this.host = host;
    }

    /** How far GitHub's clock is ahead of the host's; zero while the difference does no harm. */
    synchronized Duration ahead() {
        return ahead;
    }

    /** Takes the time from an answer that came after {@code took}, if it is one of GitHub's and not of a proxy's. */
    void note(GitHubConnectorResponse response, Duration took) {
        if (response.header("X-GitHub-Request-Id") == null || took.compareTo(PROMPT) > 0) {
            return;
        }
        Optional.ofNullable(response.header("Date"))
                .flatMap(GitHubClock::instant)
                .ifPresent(date -> note(Duration.between(host.instant(), date)));
    }

    private static Optional<Instant> instant(String date) {
        try {
            return Optional.of(DateTimeFormatter.RFC_1123_DATE_TIME.parse(date, Instant::from));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private synchronized void note(Duration difference) {
        ahead = difference.abs().compareTo(TOLERATED) > 0 ? difference : Duration.ZERO;
        if (ahead.isZero() != said.isZero() || ahead.minus(said).abs().compareTo(TOLERATED) > 0) {
            said = ahead;
            if (ahead.isZero()) {
                LOG.info("This host's clock agrees with GitHub's again.");
            } else {
                LOG.warn(
                        "This host's clock is {} s {}: set it, and have it kept right (timedatectl set-ntp true). Until"
                                + " then Forrest reckons with GitHub's clock when it talks to GitHub.",
                        ahead.abs().toSeconds(),
                        ahead.isNegative() ? "ahead of GitHub's" : "behind GitHub's");
            }
        }
    }

    @Override
    public Instant instant() {
        return host.instant().plus(ahead());
    }

    @Override
    public ZoneId getZone() {
        return host.getZone();
    }

    /** Nobody here asks for a zone. */
    @Override
    public Clock withZone(ZoneId zone) {
        return this;
    }
}
