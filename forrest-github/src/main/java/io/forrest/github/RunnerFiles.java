package io.forrest.github;

import io.forrest.files.AtomicFiles;
import io.forrest.spi.RunnerArchive;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runners' archives in a directory. Beside each is a file that {@code sha256sum --check} reads; its time of modification says
 * when GitHub last called this the newest. For one thread.
 */
final class RunnerFiles {
    private static final Logger LOG = LoggerFactory.getLogger(RunnerFiles.class);
    private static final String PREFIX = "actions-runner-linux-x64-";
    private static final String SUFFIX = ".tar.gz";
    private static final String CHECKSUM = ".sha256";
    private static final String UNFINISHED = ".unfinished";
    private static final Pattern ARCHIVE = Pattern.compile(Pattern.quote(PREFIX) + "(.+)" + Pattern.quote(SUFFIX));
    private static final int BUFFER_BYTES = 1 << 20;

    private final Path directory;

    RunnerFiles(Path directory) {
        this.directory = directory;
    }

    static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * All that are whole, the one that was last called the newest first. Reads every byte. Removes what is not: that was
     * being written when the host went down, or is damaged.
     */
    List<RunnerArchive> check() throws IOException {
        List<RunnerArchive> whole = new ArrayList<>();
        for (Path file : ours()) {
            Matcher name = ARCHIVE.matcher(file.getFileName().toString());
            if (!name.matches()) {
                continue;
            }
            Optional<RunnerArchive> archive = noted(name.group(1), file);
            if (archive.isPresent() && digest(file).equals(archive.get().sha256())) {
                whole.add(archive.get());
            } else {
                LOG.warn("{} is damaged, and is removed.", file);
                Files.delete(file);
            }
        }
        for (Path file : ours()) {
            if (whole.stream()
                    .map(RunnerFiles::file)
                    .noneMatch(kept -> file.equals(kept) || file.equals(noteOf(kept)))) {
                Files.delete(file);
            }
        }
        sort(whole);
        return whole;
    }

    private static Path file(RunnerArchive archive) {
        return archive.file().orElseThrow();
    }

    private static Path noteOf(Path file) {
        return file.resolveSibling(file.getFileName() + CHECKSUM);
    }

    private List<Path> ours() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().startsWith(PREFIX))
                    .toList();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    private static Optional<RunnerArchive> noted(String version, Path file) {
        try {
            String sha256 = Files.readString(noteOf(file)).replaceFirst("(?s) .*", "");
            return Optional.of(new RunnerArchive(version, sha256, Optional.of(file)));
        } catch (IOException | IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static String digest(Path file) throws IOException {
        MessageDigest digest = newDigest();
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(file)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
        }
        return hex(digest);
    }

    private static void sort(List<RunnerArchive> archives) {
        archives.sort(Comparator.comparing((RunnerArchive archive) -> {
                    try {
                        return Files.getLastModifiedTime(noteOf(file(archive)));
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                })
                .reversed());
    }

    /** Where a download may go: there is nothing there. */
    Path unfinished(String version) throws IOException {
        Files.createDirectories(directory);
        Path file = directory.resolve(PREFIX + version + SUFFIX + UNFINISHED);
        Files.deleteIfExists(file);
        return file;
    }

    long freeBytes() throws IOException {
        return Files.getFileStore(directory).getUsableSpace();
    }

    /** Gives a download that was checked its name, once it is on stable storage. */
    RunnerArchive keep(Path unfinished, String version, String sha256, Instant now) throws IOException {
        Path file = directory.resolve(PREFIX + version + SUFFIX);
        Path note = noteOf(file);
        Path newNote = note.resolveSibling(note.getFileName() + UNFINISHED);
        Files.write(newNote, (sha256 + "  " + file.getFileName() + "\n").getBytes(StandardCharsets.US_ASCII));
        AtomicFiles.sync(newNote);
        AtomicFiles.sync(unfinished);
        // Found with another's checksum, the old archive is taken for damaged; never the other way round.
        Files.move(newNote, note, StandardCopyOption.ATOMIC_MOVE);
        Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
        AtomicFiles.sync(directory);
        RunnerArchive archive = new RunnerArchive(version, sha256, Optional.of(file));
        confirm(archive, now);
        return archive;
    }

    /** Notes that GitHub calls this the newest. */
    void confirm(RunnerArchive archive, Instant now) throws IOException {
        Files.setLastModifiedTime(noteOf(file(archive)), FileTime.from(now));
    }

    /** The archive before its checksum: what has none is damaged. Machines that have it open go on reading it. */
    void remove(RunnerArchive archive) throws IOException {
        Files.deleteIfExists(file(archive));
        Files.deleteIfExists(noteOf(file(archive)));
    }
}
