package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What every {@link RunnerArchives} does. Extend it, and play the forge's part. */
public abstract class RunnerArchivesContract {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private RunnerArchives archives;

    /** Makes a forge that has no runner. Called before each test. */
    protected abstract void openForge() throws Exception;

    /** Ends what {@link #openForge} made. */
    protected void closeForge() throws Exception {}

    /** A new one, not started, for the forge and the host that were opened last, as the next process has it. */
    protected abstract RunnerArchives archives() throws Exception;

    /** The forge publishes a runner, which is the newest from now on. */
    protected abstract void publish(String version, byte[] archive) throws Exception;

    /** The forge cannot be reached any more. */
    protected abstract void breakDown() throws Exception;

    /** So much time passes that the forge is asked for news, if somebody wants it. */
    protected abstract void passTime() throws Exception;

    @BeforeMethod
    public void open() throws Exception {
        openForge();
        archives = archives();
    }

    @AfterMethod(alwaysRun = true)
    public void close() throws Exception {
        archives.close();
        closeForge();
    }

    /** Any content will do: nobody but the guest unpacks it. */
    protected static byte[] archive(String content) {
        return content.getBytes(StandardCharsets.UTF_8);
    }

    private static void assertIs(Optional<RunnerArchive> found, String version, byte[] content) throws Exception {
        assertThat(found).isPresent();
        assertThat(found.get().version()).isEqualTo(version);
        assertThat(found.get().sha256())
                .isEqualTo(HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(content)));
        assertThat(found.get().file().orElseThrow()).hasBinaryContent(content);
    }

    private void awaitVersion(String version) throws Exception {
        long deadlineNanos = System.nanoTime() + PATIENCE.toNanos();
        while (!archives.newest().map(RunnerArchive::version).equals(Optional.of(version))) {
            assertThat(System.nanoTime() - deadlineNanos)
                    .as("nanoseconds after which %s should have come", version)
                    .isNegative();
            Thread.onSpinWait();
        }
    }

    @Test
    public void whatItGivesIsTheForgesRunnerWithItsChecksum() throws Exception {
        publish("2.330.0", archive("first"));
        archives.start();
        assertIs(archives.newest(), "2.330.0", archive("first"));
    }

    @Test
    public void aNewerOneTakesItsPlaceAndTheOneBeforeStaysAsItIs() throws Exception {
        publish("2.330.0", archive("first"));
        archives.start();
        Path before = archives.newest().flatMap(RunnerArchive::file).orElseThrow();
        publish("2.331.0", archive("second"));
        passTime();
        awaitVersion("2.331.0");
        assertIs(archives.newest(), "2.331.0", archive("second"));
        assertThat(before).hasBinaryContent(archive("first"));
    }

    @Test
    public void whatItHasItGivesWithoutTheForgeTooAndToTheNextProcess() throws Exception {
        publish("2.330.0", archive("first"));
        archives.start();
        assertIs(archives.newest(), "2.330.0", archive("first"));
        breakDown();
        assertIs(archives.newest(), "2.330.0", archive("first"));
        archives.close();
        archives = archives();
        archives.start();
        assertIs(archives.newest(), "2.330.0", archive("first"));
    }

    @Test
    public void withNothingToBeHadItSaysSoRatherThanThrow() throws Exception {
        archives.start();
        assertThat(archives.newest()).isEmpty();
    }

    @Test
    public void onceItIsClosedNobodyWaits() throws Exception {
        archives.start();
        archives.close();
        archives.close();
        assertThat(CompletableFuture.supplyAsync(archives::newest).get(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isEmpty();
    }
}
