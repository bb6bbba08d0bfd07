package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ch.qos.logback.classic.Level;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.spi.PluginException;
import io.forrest.spi.PluginException.Kind;
import io.forrest.testing.ManualClock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Keys that are replaced, clocks that are wrong, installations that are suspended: little is asked, and little is said. */
public class GitHubBadDaysTest {
    private static final String RUNNERS = "/repos/acme/firmware/actions/runners";

    private ManualClock clock;
    private Rig rig;
    private CapturedLog log;
    private GitHubConnection connection;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        rig = new Rig(clock);
        log = new CapturedLog();
        connection = rig.connection();
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        log.close();
        rig.close();
    }

    private static RestAnswer get(GitHubConnection of) throws PluginException {
        return of.asInstallation(Rig.FIRMWARE, "GET", of.address(RUNNERS), new byte[0]);
    }

    private PluginException refused() {
        PluginException e = catchThrowableOfType(PluginException.class, () -> get(connection));
        assertThat(e).isNotNull();
        return e;
    }

    private List<String> lines(Level level, String part) {
        return log.ofForrest(level).stream().filter(line -> line.contains(part)).toList();
    }

    @Test
    public void aKeyThatWasReplacedIsReadAgainAndItsRefusalSaidOnce() throws Exception {
        get(connection);
        rig.github.replaceKey();
        rig.github.revokeTokens();
        for (int i = 0; i < 20; i++) {
            assertThat(refused().kind()).isEqualTo(Kind.RETRY_LATER);
        }
        assertThat(rig.requests("/access_tokens 401")).hasSize(1);
        assertThat(lines(Level.ERROR, ""))
                .singleElement()
                .asString()
                .contains("could not be decoded", rig.keyFile().toString());

        rig.github.writeKey(rig.keyFile());
        get(connection);
        assertThat(lines(Level.INFO, "takes the App's key again")).hasSize(1);
    }

    @Test
    public void aKeyThatGoesOnBeingRefusedIsShownLaterAndLater() {
        rig.github.replaceKey();
        for (int i = 0; i < 3600; i++) {
            refused();
            clock.advance(Duration.ofSeconds(1));
        }
        // At 0, 10, 30, 70, 150, 310 s, and then every 5 minutes; earlier by up to a half.
        assertThat(rig.requests(" 401")).hasSizeBetween(15, 31);
        assertThat(lines(Level.ERROR, "")).hasSize(1);
    }

    @Test
    public void aKeyFileThatIsNoGoodForAWhileHarmsNobodyAndIsSaidOnce() throws Exception {
        get(connection);
        byte[] key = Files.readAllBytes(rig.keyFile());
        Files.write(rig.keyFile(), "half a".getBytes(StandardCharsets.US_ASCII));
        for (int i = 0; i < 3; i++) {
            rig.github.revokeTokens();
            get(connection);
        }
        assertThat(lines(Level.WARN, rig.keyFile().toString())).hasSize(1);
        Files.write(rig.keyFile(), key);
        rig.github.revokeTokens();
        get(connection);
    }

    @DataProvider
    public Object[][] skews() {
        return new Object[][] {
            {Duration.ofMinutes(10), "ahead"}, {Duration.ofMinutes(-10), "behind"}, {Duration.ofHours(-30), "behind"}
        };
    }

    @Test(dataProvider = "skews")
    public void withAClockThatIsWrongGitHubsIsUsedAndTheOperatorToldOnce(Duration skew, String words) throws Exception {
        GitHubConnection skewed = rig.connection(rig.config(), Clock.offset(clock, skew), new RestConnector());
        for (int i = 0; i < 5; i++) {
            get(skewed);
            clock.advance(Duration.ofMinutes(30));
        }
        assertThat(rig.requests(" 401")).hasSize(1);
        assertThat(lines(Level.WARN, "clock"))
                .singleElement()
                .asString()
                .contains(skew.abs().toSeconds() + " s " + words);
        assertThat(lines(Level.ERROR, "")).isEmpty();
    }

    @Test
    public void aClockThatIsSetRightIsUsedAgain() throws Exception {
        ManualClock host = new ManualClock(clock.instant().minus(Duration.ofMinutes(10)));
        GitHubConnection skewed = rig.connection(rig.config(), host, new RestConnector());
        get(skewed);
        host.advance(Duration.ofMinutes(10));
        rig.github.revokeTokens();
        get(skewed);
        assertThat(lines(Level.INFO, "agrees with GitHub's again")).hasSize(1);
        assertThat(rig.requests("/access_tokens 201")).hasSize(2);
    }

    @Test
    public void aSpentLimitEndsByGitHubsClock() throws Exception {
        GitHubConnection skewed =
                rig.connection(rig.config(), Clock.offset(clock, Duration.ofMinutes(10)), new RestConnector());
        // The first is refused for its clock before it is counted.
        get(skewed);
        rig.github.faults().rateLimit(1);
        assertThat(catchThrowableOfType(PluginException.class, () -> get(skewed)))
                .isNotNull();
        int before = rig.github.requests().size();
        clock.advance(Duration.ofMinutes(59));
        assertThat(catchThrowableOfType(PluginException.class, () -> get(skewed)))
                .isInstanceOf(KnownTrouble.class);
        assertThat(rig.github.requests()).hasSize(before);
        assertThat(skewed.pause(Optional.of(Rig.FIRMWARE))).isBetween(Duration.ofSeconds(50), Duration.ofSeconds(70));
        clock.advance(Duration.ofMinutes(1).plusSeconds(10));
        get(skewed);
    }

    @Test
    public void aSuspensionIsSaidOnceAndItsEndIsNoticed() throws Exception {
        get(connection);
        rig.github.suspendInstallation(Rig.FIRMWARE);
        for (int i = 0; i < 3600; i++) {
            assertThat(refused()).hasMessageContaining("suspended");
            clock.advance(Duration.ofSeconds(1));
        }
        // Each try is two requests.
        assertThat(rig.requests(" 403")).hasSizeBetween(15, 40);
        assertThat(lines(Level.WARN, "")).singleElement().asString().contains("acme/firmware", "Unsuspend");
        rig.github.unsuspendInstallation(Rig.FIRMWARE);
        clock.advance(connection.pause(Optional.of(Rig.FIRMWARE)));
        get(connection);
        assertThat(lines(Level.INFO, "works for acme/firmware again")).hasSize(1);
    }

    @Test
    public void anAppThatIsUninstalledAndInstalledAgainWorksAgain() throws Exception {
        get(connection);
        rig.github.removeRepository(Rig.FIRMWARE);
        for (int i = 0; i < 600; i++) {
            assertThat(refused().kind()).isEqualTo(Kind.REJECTED);
            clock.advance(Duration.ofSeconds(1));
        }
        assertThat(rig.requests(" 404")).hasSizeBetween(5, 20);
        assertThat(lines(Level.WARN, "")).singleElement().asString().contains("Install the App");
        rig.github.addRepository(Rig.FIRMWARE);
        assertThat(connection.pause(Optional.of(Rig.FIRMWARE))).isLessThanOrEqualTo(Duration.ofMinutes(5));
        clock.advance(connection.pause(Optional.of(Rig.FIRMWARE)));
        get(connection);
    }

    @Test
    public void otherRepositoriesGoOnWhileOneIsNotServed() throws Exception {
        RepositoryId gone = new RepositoryId("acme", "gone");
        assertThat(catchThrowableOfType(PluginException.class, () -> connection.prepare(gone)))
                .isNotNull();
        get(connection);
        assertThat(connection.pause(Optional.of(gone))).isPositive();
        assertThat(connection.pause(Optional.of(Rig.FIRMWARE))).isZero();
    }

    @Test
    public void anOutageIsSaidOnceAndSoIsItsEnd() throws Exception {
        get(connection);
        rig.github.faults().failNext(30, Fault.status(502));
        for (int i = 0; i < 30; i++) {
            refused();
            clock.advance(Duration.ofMinutes(2));
        }
        get(connection);
        assertThat(lines(Level.WARN, "")).singleElement().asString().contains("is away: it answers 502");
        assertThat(lines(Level.INFO, "answers again, after PT1H")).hasSize(1);
    }

    @Test
    public void waitsDoubleAreSpreadAndNeverExceedTheLongest() {
        BackOff one = new BackOff(Duration.ofSeconds(10), Duration.ofMinutes(5), new Random(1));
        BackOff other = new BackOff(Duration.ofSeconds(10), Duration.ofMinutes(5), new Random(2));
        Duration full = Duration.ofSeconds(10);
        for (int i = 0; i < 40; i++) {
            Duration wait = one.next();
            assertThat(wait).isBetween(full.dividedBy(2), full).isNotEqualTo(other.next());
            full = full.multipliedBy(2).compareTo(Duration.ofMinutes(5)) < 0
                    ? full.multipliedBy(2)
                    : Duration.ofMinutes(5);
        }
        one.reset();
        assertThat(one.next()).isLessThanOrEqualTo(Duration.ofSeconds(10));
    }
}
