package io.forrest.artifacts;

import io.forrest.artifacts.ArtifactException.Kind;
import io.forrest.config.MachineType.ArtifactStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One upload. Nothing of it is to be seen by its name before {@link #complete} has returned; what is closed before leaves
 * nothing, and an earlier artifact of that name as it was. All methods block, for the disk. Thread-safe.
 */
public final class ArtifactUpload implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ArtifactUpload.class);
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Uploader machine;
    private final ArtifactStore store;
    private final ArtifactPath path;
    private final OptionalLong announced;
    private final String draft;
    private final Consumer<ArtifactUpload> onClosed;

    // Guarded by this.
    private Optional<StoreDirectory> directory = Optional.empty();
    private Optional<FileChannel> file = Optional.empty();
    private long reserved;
    private long written;
    private boolean hasItsName;
    private boolean closed;

    private ArtifactUpload(
            Uploader machine, ArtifactStore store, ArtifactRequest request, Consumer<ArtifactUpload> onClosed) {
        this.machine = machine;
        this.store = store;
        this.path = request.path();
        this.announced = request.length();
        this.onClosed = onClosed;
        byte[] random = new byte[8];
        RANDOM.nextBytes(random);
        this.draft = StoreDirectory.UNFINISHED + HexFormat.of().formatHex(random);
    }

    static ArtifactUpload begin(
            Uploader machine, ArtifactStore store, ArtifactRequest request, Consumer<ArtifactUpload> onClosed)
            throws ArtifactException {
        ArtifactUpload upload = new ArtifactUpload(machine, store, request, onClosed);
        upload.open();
        return upload;
    }

    private synchronized void open() throws ArtifactException {
        StorePlace place = StorePlace.of(store.path(), machine.machine()).below(path.directories());
        try {
            machine.ledger().begin(store, place, draft, announced.orElse(0));
        } catch (IOException e) {
            throw failed(e);
        }
        reserved = announced.orElse(0);
        boolean opened = false;
        try {
            StoreDirectory.Made made = StoreDirectory.make(place.trusted(), place.steps(), draft);
            directory = Optional.of(made.directory());
            machine.ledger().noteDirectories(store, made.count());
            if (made.directory().hasDirectory(path.name())) {
                throw new ArtifactException(Kind.FAILED, "There is a directory of this name.");
            }
            file = Optional.of(made.directory().create(draft));
            opened = true;
        } catch (IOException e) {
            throw failed(e);
        } finally {
            if (!opened) {
                close();
            }
        }
    }

    /** Where people find the artifacts of its store; ends in a slash. */
    public String storeUrl() {
        String url = StorePlace.fillIn(store.url(), machine.machine());
        return url.endsWith("/") ? url : url + "/";
    }

    /**
     * Writes all that remains in {@code bytes}.
     *
     * @throws ArtifactException {@code QUOTA} if it is too much, {@code FAILED} if it cannot be written; it can then only be
     *     closed
     */
    public synchronized void write(ByteBuffer bytes) throws ArtifactException {
        checkGoesOn();
        long missing = written + bytes.remaining() - reserved;
        if (missing > 0) {
            machine.ledger().reserve(store, missing);
            reserved += missing;
        }
        try {
            while (bytes.hasRemaining()) {
                written += file.get().write(bytes);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /**
     * Gives it its name, in place of what had that before, once it is on stable storage.
     *
     * @throws ArtifactException {@code FAILED} if that is not possible, or it is not as long as was said
     */
    public synchronized void complete() throws ArtifactException {
        checkGoesOn();
        if (announced.isPresent() && announced.getAsLong() != written) {
            throw new ArtifactException(
                    Kind.FAILED, "It was to have " + announced.getAsLong() + " bytes, and has " + written + ".");
        }
        try {
            file.get().force(true);
            // It may have taken long.
            checkGoesOn();
            machine.ledger().completing(draft, written);
            directory.get().rename(draft, path.name());
            hasItsName = true;
            directory.get().sync();
        } catch (IOException e) {
            throw failed(e);
        }
        LOG.debug("{} has uploaded {} to {}: {} bytes.", machine.machine(), path, store.name(), written);
        close();
    }

    private void checkGoesOn() throws ArtifactException {
        if (closed) {
            throw new ArtifactException(Kind.FAILED, "This upload was broken off.");
        }
        if (!machine.lives().getAsBoolean()) {
            throw new ArtifactException(Kind.UNKNOWN, "The machine has ended.");
        }
    }

    /** The host's paths are none of the uploader's business, and the host's owner reads the log. */
    private ArtifactException failed(IOException failure) {
        String reason = failure instanceof FileSystemException file
                ? Optional.ofNullable(file.getReason()).orElse(file.getClass().getSimpleName())
                : failure.getMessage();
        if (machine.ledger().isFirstFailure(store)) {
            LOG.warn(
                    "{} could not upload {} to {}, which is said once: {}",
                    machine.machine(),
                    path,
                    store.name(),
                    failure.toString());
        }
        return new ArtifactException(Kind.FAILED, "The artifact could not be stored: " + reason + ".", failure);
    }

    /** Removes what there is of it, if it is not complete. A second call does nothing. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        close(file);
        if (hasItsName) {
            machine.ledger().completed(draft, store, written);
        } else if (file.isEmpty() || isRemoved()) {
            machine.ledger().forget(draft, store, reserved);
        } else {
            machine.ledger().release(store, reserved);
        }
        close(directory);
        onClosed.accept(this);
    }

    private static void close(Optional<? extends AutoCloseable> opened) {
        try {
            if (opened.isPresent()) {
                opened.get().close();
            }
        } catch (Exception e) {
            LOG.debug("Only a file descriptor is lost.", e);
        }
    }

    private boolean isRemoved() {
        try {
            directory.get().deleteFile(draft);
            return true;
        } catch (IOException e) {
            LOG.warn(
                    "What is left of {}'s upload of {} cannot be removed, and is when Forrest starts again: {}",
                    machine.machine(),
                    path,
                    e.toString());
            return false;
        }
    }
}
