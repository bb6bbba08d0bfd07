package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ch.qos.logback.classic.Level;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.github.embedded.EmbeddedGitHub.JobRequest;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerRegistration;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.logging.Logger;
import org.slf4j.LoggerFactory;
import org.testng.annotations.Test;

/** Logs are read by many and kept for long: no key, token or secret is in them, at any level. */
public class SecretsInLogsTest {
    private static void await(BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("nothing happens").isLessThan(deadlineNanos);
            Thread.onSpinWait();
        }
    }

    @Test
    public void goodDaysAndBadOnesLeaveNoSecretInTheLog() throws Exception {
        ManualClock clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        List<String> secrets = new ArrayList<>();
        BlockingQueue<Object> seen = new LinkedBlockingQueue<>();
        try (CapturedLog log = new CapturedLog();
                Rig rig = new Rig(clock)) {
            Files.readAllLines(rig.keyFile()).stream()
                    .filter(line -> !line.startsWith("-----"))
                    .forEach(secrets::add);
            secrets.add(rig.github.webhookSecret());
            GitHubConnection connection = rig.connection();
            GitHubRunnerBroker broker = new GitHubRunnerBroker(connection);
            MachineId machine = MachineId.random(TestConfigs.typeId("build"));
            RunnerRegistration runner = broker.register(machine);
            secrets.add(runner.jitConfig().reveal());
            secrets.add(AppKey.read(rig.keyFile())
                    .jsonWebToken(rig.github.appId(), rig.clock.instant())
                    .reveal()
                    .replaceFirst("\\..*", ""));
            // All of the embedded GitHub's installation tokens begin so.
            secrets.add("ghs_");
            List<Throwable> failures = new ArrayList<>();
            failures.add(catchThrowable(() -> broker.register(machine)));
            failures.add(catchThrowable(() -> broker.list(new RepositoryId("nobody", "nothing"))));
            for (Fault fault : List.of(Fault.status(500), Fault.status(401), Fault.cut(), Fault.cutThoughDone())) {
                rig.github.faults().failNext(3, fault);
                failures.add(catchThrowable(() -> broker.register(machine)));
                // What this request did not meet is not for the next one.
                rig.github.faults().clear();
            }
            // A key that was refused is let alone for a while.
            clock.advance(Duration.ofMinutes(1));
            rig.github.revokeTokens();
            broker.list(Rig.FIRMWARE);

            rig.github.queueJob(JobRequest.push(Rig.FIRMWARE, "build", "build", "true"));
            try (JobPoller poller = new JobPoller(
                    connection,
                    rig.config(rig.github.apiUrl(), Duration.ofMillis(50)),
                    rig.source(Rig.FIRMWARE),
                    rig.clock,
                    rig.pollingState())) {
                poller.start(seen::add);
                assertThat(seen.poll(30, TimeUnit.SECONDS)).isNotNull();
                rig.github.revokeTokens();
                rig.github.faults().failNext(4, Fault.status(502));
                rig.github.faults().failNext(4, Fault.cut());
                rig.github.faults().failNext(4, Fault.status(401));
                await(() -> log.ofForrest(Level.WARN).stream().anyMatch(line -> line.contains("502")));
            }
            WebhookReceiver receiver = new WebhookReceiver(rig.config(), rig.source(Rig.FIRMWARE), rig.clock);
            receiver.receive(Map.of("x-hub-signature-256", "sha256=0"), "{}".getBytes(StandardCharsets.UTF_8));
            receiver.receive(Map.of(), "{}".getBytes(StandardCharsets.UTF_8));

            assertThat(failures).hasSize(6).allSatisfy(e -> assertThat(e).isInstanceOf(PluginException.class));
            StringBuilder shown = new StringBuilder(log.everything());
            failures.forEach(e -> {
                for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                    shown.append(cause).append('\n');
                }
            });
            shown.append(rig.config()).append(runner);
            assertThat(shown).contains("GitHub answers 500", "wrong signature");
            // The library's own log was really looked into.
            assertThat(log.hasRecord(line -> line.contains("org.kohsuke.github")))
                    .isTrue();
            assertThat(shown.toString()).doesNotContain(secrets);
        }
    }

    @Test
    public void theTestWouldNoticeASecret() {
        try (CapturedLog log = new CapturedLog()) {
            LoggerFactory.getLogger("x").trace("{}", Secret.of("hidden"));
            LoggerFactory.getLogger("x").trace("seen", new IllegalStateException("in a cause"));
            Logger.getLogger("y").finest("by the library");
            assertThat(log.everything())
                    .contains("in a cause", "by the library")
                    .doesNotContain("hidden");
        }
    }
}
