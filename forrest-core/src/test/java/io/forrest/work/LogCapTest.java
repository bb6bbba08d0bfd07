package io.forrest.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class LogCapTest {
    private static final DataSize MOST = DataSize.parse("8K");

    private Path directory;
    private Path log;
    private Path older;

    @BeforeMethod
    public void makeDirectory() throws IOException {
        directory = Files.createTempDirectory("logs");
        log = directory.resolve("log.txt");
        older = directory.resolve("log.txt.1");
    }

    /** So many bytes in lines of which none is like another. */
    private static String lines(String name, int bytes) {
        StringBuilder text = new StringBuilder();
        for (int line = 0; text.length() < bytes; line++) {
            text.append(name).append(' ').append(line).append('\n');
        }
        return text.substring(0, bytes - 1) + "\n";
    }

    private OutputStream appending() throws IOException {
        return Files.newOutputStream(log, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    @Test
    public void aLogThatIsNotTooLargeIsLeftAlone() throws Exception {
        String text = lines("boot", 8192);
        Files.writeString(log, text);
        LogCap.apply(log, MOST);
        assertThat(log).hasContent(text);
        assertThat(older).doesNotExist();
    }

    @Test
    public void aLargerOneBeginsAnewAndItsNewestPartIsKept() throws Exception {
        String text = lines("boot", 20_000);
        try (OutputStream writer = appending()) {
            writer.write(text.getBytes(StandardCharsets.US_ASCII));
            LogCap.apply(log, MOST);
            assertThat(log).isEmptyFile();
            writer.write("what comes next\n".getBytes(StandardCharsets.US_ASCII));
        }
        assertThat(log).hasContent("what comes next\n");
        assertThat(Files.readString(older)).hasSizeBetween(6000, 8192);
        assertThat(text).endsWith(Files.readString(older));
    }

    @Test
    public void onlyOneOlderPartIsKept() throws Exception {
        Files.writeString(log, lines("first", 9000));
        LogCap.apply(log, MOST);
        Files.writeString(log, lines("second", 9000));
        LogCap.apply(log, MOST);
        assertThat(Files.readString(older)).contains("second 500\n").doesNotContain("first");
        try (var files = Files.list(directory)) {
            assertThat(files).containsExactlyInAnyOrder(log, older);
        }
    }

    @Test
    public void theOlderPartIsForItsOwnersEyesOnly() throws Exception {
        Files.writeString(log, lines("boot", 9000));
        LogCap.apply(log, MOST);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(older)))
                .isEqualTo("rw-------");
    }

    @Test
    public void aLogThatIsNotThereNeedsNoCap() throws Exception {
        LogCap.apply(log, MOST);
        LogCap.apply(directory.resolve("gone/log.txt"), MOST);
        assertThat(older).doesNotExist();
    }

    @Test
    public void noLinkIsFollowed() throws Exception {
        String text = lines("precious", 20_000);
        Path precious = Files.writeString(directory.resolve("precious"), text);
        Files.createSymbolicLink(log, precious);
        LogCap.apply(log, MOST);
        assertThat(precious).hasContent(text);
        assertThat(older).doesNotExist();

        Files.delete(log);
        Files.writeString(log, lines("boot", 9000));
        Files.createSymbolicLink(older, precious);
        LogCap.apply(log, MOST);
        assertThat(precious).hasContent(text);
        assertThat(older).isRegularFile();
        assertThat(Files.readString(older)).endsWith("\n").contains("boot");
    }

    @Test
    public void aDirectoryInPlaceOfTheLogIsLeftAlone() throws Exception {
        Files.createDirectories(log.resolve("in/it"));
        LogCap.apply(log, new DataSize(1));
        assertThat(log.resolve("in/it")).isDirectory();
    }

    @Test
    public void aHugeSparseLogCostsNoMoreThanAnyOther() throws Exception {
        try (RandomAccessFile sparse = new RandomAccessFile(log.toFile(), "rw")) {
            sparse.setLength(1L << 40);
            sparse.seek(sparse.length());
            sparse.write("the end\n".getBytes(StandardCharsets.US_ASCII));
        }
        LogCap.apply(log, MOST);
        assertThat(log).isEmptyFile();
        assertThat(Files.size(older)).isLessThanOrEqualTo(8192);
        assertThat(Files.readString(older)).endsWith("the end\n");
    }

    @Test
    public void aLogThatCannotBeKeptIsNotLostBeforeItIsTwiceAsLarge() throws Exception {
        Files.createDirectories(older.resolve("in the way"));
        String text = lines("boot", 16_383);
        Files.writeString(log, text);
        assertThatThrownBy(() -> LogCap.apply(log, MOST))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("log.txt.1");
        assertThat(log).hasContent(text);

        Files.writeString(log, "x", StandardOpenOption.APPEND);
        assertThatThrownBy(() -> LogCap.apply(log, MOST)).isInstanceOf(IOException.class);
        assertThat(log).isEmptyFile();
        assertThat(older.resolve("in the way")).isDirectory();
    }

    @Test(timeOut = 60_000)
    public void aGuestThatWritesAsFastAsItCanGetsNoMoreThanItsShare() throws Exception {
        byte[] burst = lines("spam", 1000).getBytes(StandardCharsets.US_ASCII);
        AtomicBoolean enough = new AtomicBoolean();
        CompletableFuture<Void> guest = CompletableFuture.runAsync(() -> {
            try (OutputStream writer = appending()) {
                while (!enough.get()) {
                    writer.write(burst);
                }
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        try {
            for (int kept = 0; kept < 100; ) {
                if (Files.exists(log) && Files.size(log) > MOST.bytes()) {
                    LogCap.apply(log, MOST);
                    assertThat(Files.size(older)).isBetween(6000L, 8192L);
                    kept++;
                } else {
                    Thread.onSpinWait();
                }
            }
        } finally {
            enough.set(true);
        }
        guest.get(30, TimeUnit.SECONDS);
    }
}
