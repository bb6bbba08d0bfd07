package io.forrest.images;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineTypeId;
import io.forrest.download.Download;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * Makes a file of this host or of the web a new generation of a machine type's image. Until all of it is there, checked and
 * on stable storage, nothing has changed; on failure nothing is left. For one import by one thread; any thread may {@link
 * #close} it.
 */
public final class ImageImport implements AutoCloseable {
    private static final Duration LONGEST_SILENCE = Duration.ofSeconds(60);
    private static final Pattern SHA256 = Pattern.compile("[0-9A-Fa-f]{64}");
    private static final int BUFFER_BYTES = 1 << 20;
    private static final int BOOT_SIGNATURE_OFFSET = 510;

    private final ImageCatalog catalog;
    private final MachineTypeId type;
    private final Path directory;
    private final ImportProgress progress;
    private final Download download;
    private final QemuImg qemuImg = new QemuImg();
    private final FileCloner cloner = new FileCloner();

    // Guarded by this.
    private UnfinishedFiles files;
    private boolean closed;

    /**
     * What came of an import.
     *
     * @param warnings what is odd about the image, for people
     */
    public record Imported(Generation generation, List<String> warnings) {
        public Imported {
            warnings = List.copyOf(warnings);
        }
    }

    /** What is done with the raw image. */
    @FunctionalInterface
    interface Work<T> {
        T with(Path raw) throws IOException, PluginException;
    }

    /** Touches nothing yet. */
    public ImageImport(ImageCatalog catalog, MachineTypeId type, ImportProgress progress) {
        this(catalog, type, progress, LONGEST_SILENCE);
    }

    /** {@code longestSilence}: as long as a server may send nothing. */
    ImageImport(ImageCatalog catalog, MachineTypeId type, ImportProgress progress, Duration longestSilence) {
        this.catalog = catalog;
        this.type = type;
        this.directory = catalog.image(type).getParent();
        this.progress = progress;
        this.download = new Download(longestSilence);
    }

    /** Whether this can be a SHA-256: 64 hexadecimal digits. */
    public static boolean isSha256(String text) {
        return SHA256.matcher(text).matches();
    }

    /**
     * Fetches, checks and publishes; blocks for as long as that takes.
     *
     * @param sha256 of the file as it is there, before any conversion; an address needs one
     * @throws PluginException {@code REJECTED} if it is not what was promised or can be no machine image, {@code
     *     RETRY_LATER} if there is no room or a server fails, {@code BROKEN} on errors of this host
     */
    public Imported run(ImageSource source, Optional<String> sha256) throws PluginException {
        return fetch(source, sha256, raw -> {
            List<String> warnings = warnings(source, raw);
            return new Imported(catalog.add(type, raw, source.toString()), warnings);
        });
    }

    /** Does all but publish; the raw image is gone afterwards unless {@code work} has moved it. */
    <T> T fetch(ImageSource source, Optional<String> sha256, Work<T> work) throws PluginException {
        if (source.address().isPresent() && sha256.isEmpty()) {
            throw rejected("An address needs --sha256, the checksum that its publisher shows beside the image.");
        }
        try {
            Files.createDirectories(directory);
            UnfinishedFiles.removeLeftOvers(directory);
            try (UnfinishedFiles own = begin()) {
                return work.with(rawFile(source, sha256, own));
            }
        } catch (IOException e) {
            throw Failures.failed(source + " cannot be imported to " + directory, e);
        }
    }

    private synchronized UnfinishedFiles begin() throws IOException {
        if (closed) {
            throw new IOException("this process is ending");
        }
        files = UnfinishedFiles.in(directory);
        return files;
    }

    /** All of the source as a raw image, checked, at a place of our own. */
    private Path rawFile(ImageSource source, Optional<String> sha256, UnfinishedFiles own)
            throws IOException, PluginException {
        Path fetched;
        if (source.address().isPresent()) {
            fetched = own.download();
            MessageDigest digest = newDigest();
            download.fetch(
                    source.address().get(),
                    Optional.empty(),
                    fetched,
                    digest,
                    total -> checkSpace(source, total),
                    (done, total) -> progress.at(ImportProgress.Step.DOWNLOAD, done, total));
            checkSum(source, sha256, digest);
        } else {
            fetched = source.file().get();
            if (!Files.exists(fetched)) {
                throw rejected(fetched + " does not exist.");
            }
            if (!Files.isRegularFile(fetched)) {
                throw rejected(fetched + " is not a plain file.");
            }
        }
        if (Files.size(fetched) == 0) {
            throw rejected(source + " is empty.");
        }
        DiskFormat format = DiskFormat.of(fetched);
        if (!format.whyNot().isEmpty()) {
            throw rejected(source + " " + format.whyNot() + ".");
        }
        if (format == DiskFormat.QCOW2) {
            if (source.file().isPresent() && sha256.isPresent()) {
                checkSum(source, sha256, digestOf(fetched));
            }
            convert(source, fetched, own.image());
            Files.deleteIfExists(own.download());
        } else if (source.file().isPresent()) {
            copy(source, fetched, own.image());
            if (sha256.isPresent()) {
                // The copy, not what somebody may be writing to.
                checkSum(source, sha256, digestOf(own.image()));
            }
        } else {
            return fetched;
        }
        return own.image();
    }

    private void copy(ImageSource source, Path from, Path raw) throws IOException, PluginException {
        try {
            cloner.clone(from, raw);
        } catch (CloneException e) {
            // Another file system, or one that cannot: it takes longer.
            checkSpace(source, OptionalLong.of(SparseCopier.spaceOfCopy(from)));
            OptionalLong total = OptionalLong.of(Files.size(from));
            SparseCopier.copy(from, raw, done -> progress.at(ImportProgress.Step.COPY, done, total));
        }
    }

    private void convert(ImageSource source, Path qcow2, Path raw) throws IOException, PluginException {
        Qcow2Header header = Qcow2Header.of(qcow2);
        // Whoever made the file chose those names: they could lead to any file of this host.
        if (header.backed()) {
            throw rejected(
                    source + " is only what differs from another image, its backing file. Make one of both where both"
                            + " are (qemu-img convert -O qcow2), and import that.");
        }
        if (header.dataElsewhere()) {
            throw rejected(
                    source + " has its data in another file. Make one of both where both are (qemu-img convert -O"
                            + " qcow2), and import that.");
        }
        if (header.encrypted()) {
            throw rejected(source + " is encrypted. Import one that is not.");
        }
        if (header.diskBytes() <= 0) {
            throw rejected(source + " is empty.");
        }
        checkSpace(source, qemuImg.bytesAsRaw(qcow2));
        OptionalLong total = OptionalLong.of(header.diskBytes());
        qemuImg.convert(
                qcow2,
                raw,
                fraction -> progress.at(ImportProgress.Step.CONVERT, (long) (fraction * header.diskBytes()), total));
    }

    /** There is no use in beginning what cannot end well. */
    private void checkSpace(ImageSource source, OptionalLong bytes) throws IOException, PluginException {
        long free = Files.getFileStore(directory).getUsableSpace();
        if (bytes.isPresent() && bytes.getAsLong() > free) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    source + " takes " + mebibytes(bytes.getAsLong()) + ", and the file system of " + directory
                            + " has " + mebibytes(free) + " free. Make room there.");
        }
    }

    private static String mebibytes(long bytes) {
        return new DataSize(bytes).toMebibytes() + "M";
    }

    private static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private MessageDigest digestOf(Path file) throws IOException {
        MessageDigest digest = newDigest();
        OptionalLong total = OptionalLong.of(Files.size(file));
        byte[] buffer = new byte[BUFFER_BYTES];
        long done = 0;
        try (InputStream in = Files.newInputStream(file)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
                done += read;
                progress.at(ImportProgress.Step.CHECK, done, total);
            }
        }
        return digest;
    }

    private static void checkSum(ImageSource source, Optional<String> expected, MessageDigest digest)
            throws PluginException {
        String found = HexFormat.of().formatHex(digest.digest());
        String wanted = expected.orElseThrow().toLowerCase(Locale.ROOT);
        if (!found.equals(wanted)) {
            throw rejected(source + " has the SHA-256 " + found + ", not " + wanted
                    + ". Get the image and its checksum anew; if they still differ, do not trust it.");
        }
    }

    private static List<String> warnings(ImageSource source, Path raw) throws IOException {
        List<String> warnings = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(raw, StandardOpenOption.READ)) {
            ByteBuffer signature = ByteBuffer.allocate(2);
            channel.read(signature, BOOT_SIGNATURE_OFFSET);
            if (signature.getShort(0) != 0x55AA) {
                warnings.add(source
                        + " has neither a boot sector nor a partition table; a machine will hardly boot from it.");
            }
        }
        return warnings;
    }

    private static PluginException rejected(String message) {
        return new PluginException(PluginException.Kind.REJECTED, message);
    }

    /** Ends the import where it is, and removes what it has made so far. A second call does nothing. */
    @Override
    public void close() throws IOException {
        UnfinishedFiles own;
        synchronized (this) {
            closed = true;
            own = files;
        }
        qemuImg.close();
        if (own != null) {
            own.close();
        }
    }
}
