package io.forrest.artifacts;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.artifacts.ArtifactException.Kind;
import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.files.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one machine has uploaded, and what it is uploading: the file {@code artifacts.json} of its run directory. Thread-safe.
 *
 * <p>Each upload is in it before there is a file of it, so that whoever comes after the end of this process knows what was
 * left half, and removes it. How many bytes an artifact has is in it before it gets its name, so that afterwards it counts if
 * it is there, and only then. Nothing is synced: with the host, the machine would be gone, too.
 */
public final class UploadLedger {
    private static final Logger LOG = LoggerFactory.getLogger(UploadLedger.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NAME = "artifacts.json";
    private static final int FORMAT = 1;

    /** Of one machine: no build uploads more at the same time, and a hostile guest must leave some for others. */
    static final int MOST_AT_ONCE = 16;

    /** Files and directories in one store: a guest must not use up a file system's inodes with empty ones. */
    static final long MOST_NAMES = 100_000;

    private final Path file;

    // Guarded by this.
    private boolean loaded;
    private final Map<String, Account> accounts = new TreeMap<>();

    /** By their drafts' names. */
    private final Map<String, Unfinished> unfinished = new LinkedHashMap<>();

    /** What went into a store. */
    private static final class Account {
        private long usedBytes;
        private long names;

        /** For uploads that are not finished. */
        private long reservedBytes;

        /** A guest may try again and again, and the log has an end. */
        private boolean quotaSaid;

        private boolean failureSaid;
    }

    /**
     * An upload that has no name yet, or has just got it.
     *
     * @param bytes how large it is, once that is known and it is about to get its name
     */
    private record Unfinished(String store, StorePlace place, OptionalLong bytes) {}

    /** Reads nothing yet. {@code runDirectory} is the machine's. */
    public UploadLedger(Path runDirectory) {
        this.file = runDirectory.resolve(NAME);
    }

    /**
     * Removes what an earlier process left half. To be called before anybody uploads; what cannot be removed is said, and
     * tried again by the next process.
     *
     * @throws IOException if the ledger cannot be read
     */
    public synchronized void settle() throws IOException {
        if (!loaded) {
            load();
        }
    }

    private void load() throws IOException {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            loaded = true;
            return;
        }
        List<Map.Entry<String, Unfinished>> left = new ArrayList<>();
        try {
            JsonNode json = JSON.readTree(bytes);
            int format = json.path("format").asInt();
            if (format != FORMAT) {
                throw new IOException("it is of format " + format + ", and this Forrest knows format " + FORMAT);
            }
            json.required("stores").properties().forEach(store -> {
                Account account = account(store.getKey());
                account.usedBytes = store.getValue().required("used_bytes").asLong();
                account.names = store.getValue().required("names").asLong();
            });
            for (JsonNode entry : json.required("unfinished")) {
                left.add(Map.entry(entry.required("draft").asText(), unfinished(entry)));
            }
        } catch (IOException | IllegalArgumentException e) {
            accounts.clear();
            throw new IOException(file + " cannot be used: " + e.getMessage(), e);
        }
        loaded = true;
        left.forEach(entry -> settle(entry.getKey(), entry.getValue()));
        if (!left.isEmpty()) {
            write();
        }
    }

    private static Unfinished unfinished(JsonNode entry) {
        List<String> steps = new ArrayList<>();
        entry.required("below").forEach(step -> steps.add(step.asText()));
        return new Unfinished(
                entry.required("store").asText(),
                new StorePlace(Path.of(entry.required("in").asText()), steps),
                entry.has("bytes") ? OptionalLong.of(entry.get("bytes").asLong()) : OptionalLong.empty());
    }

    /** What has its name counts; what has none is removed. */
    private void settle(String draft, Unfinished upload) {
        boolean draftWasThere = false;
        try (StoreDirectory directory =
                StoreDirectory.find(upload.place().trusted(), upload.place().steps())) {
            draftWasThere = directory.deleteFile(draft);
        } catch (NoSuchFileException e) {
            LOG.debug("Not even its directory was made.", e);
        } catch (IOException e) {
            LOG.warn(
                    "What is left of an upload, {} below {}, could not be removed: {}",
                    draft,
                    upload.place(),
                    e.toString());
            unfinished.put(draft, upload);
            return;
        }
        try {
            // A directory in the making, which is empty.
            Files.deleteIfExists(upload.place().trusted().resolve(draft));
        } catch (IOException e) {
            LOG.warn("What is left of an upload could not be removed: {}", e.toString());
        }
        if (!draftWasThere && upload.bytes().isPresent()) {
            count(upload.store(), upload.bytes().getAsLong());
        }
    }

    private void count(String store, long bytes) {
        Account account = account(store);
        account.usedBytes += bytes;
        account.names++;
    }

    private Account account(String store) {
        return accounts.computeIfAbsent(store, any -> new Account());
    }

    /** Notes an upload that is about to begin, and keeps {@code bytes} for it. {@code draft} is what it is called meanwhile. */
    synchronized void begin(ArtifactStore store, StorePlace place, String draft, long bytes)
            throws ArtifactException, IOException {
        settle();
        if (unfinished.size() >= MOST_AT_ONCE) {
            throw new ArtifactException(
                    Kind.BUSY, "This machine uploads " + MOST_AT_ONCE + " artifacts already; try again later.");
        }
        if (account(store.name()).names >= MOST_NAMES) {
            throw new ArtifactException(
                    Kind.QUOTA, "This machine has uploaded " + MOST_NAMES + " files and directories to this store.");
        }
        reserve(store, bytes);
        unfinished.put(draft, new Unfinished(store.name(), place, OptionalLong.empty()));
        boolean written = false;
        try {
            write();
            written = true;
        } finally {
            if (!written) {
                unfinished.remove(draft);
                release(store, bytes);
            }
        }
    }

    /** Keeps so many bytes more for an upload. Throws {@code QUOTA} if all the machine's uploads would be too much. */
    synchronized void reserve(ArtifactStore store, long bytes) throws ArtifactException {
        Account account = account(store.name());
        long free = store.quota().bytes() - account.usedBytes - account.reservedBytes;
        if (bytes > free) {
            if (!account.quotaSaid) {
                account.quotaSaid = true;
                LOG.warn(
                        "An upload to {} is refused, and more may be, since the machine of {} may upload {}.",
                        store.name(),
                        file.getParent(),
                        store.quota());
            }
            throw new ArtifactException(
                    Kind.QUOTA,
                    "This would be more than the " + store.quota() + " that a machine may upload to this store.");
        }
        account.reservedBytes += bytes;
    }

    /** True once for each store. */
    synchronized boolean isFirstFailure(ArtifactStore store) {
        Account account = account(store.name());
        boolean first = !account.failureSaid;
        account.failureSaid = true;
        return first;
    }

    /** Gives back what was kept for an upload. */
    synchronized void release(ArtifactStore store, long bytes) {
        account(store.name()).reservedBytes -= bytes;
    }

    synchronized void noteDirectories(ArtifactStore store, int made) {
        account(store.name()).names += made;
    }

    /** Notes that an upload is complete and about to get its name. */
    synchronized void completing(String draft, long bytes) throws IOException {
        Unfinished upload = unfinished.get(draft);
        unfinished.put(draft, new Unfinished(upload.store(), upload.place(), OptionalLong.of(bytes)));
        write();
    }

    /** Notes that an upload has its name; its share of what was reserved is released. */
    synchronized void completed(String draft, ArtifactStore store, long bytes) {
        count(store.name(), bytes);
        forget(draft, store, bytes);
    }

    /** Notes that nothing is left of an upload, and gives {@code bytes} back. */
    synchronized void forget(String draft, ArtifactStore store, long bytes) {
        unfinished.remove(draft);
        release(store, bytes);
        try {
            write();
        } catch (IOException e) {
            // The entry that is left tells the next process to look, which comes to the same.
            LOG.warn("The end of an upload could not be written down in {}: {}", file, e.toString());
        }
    }

    private void write() throws IOException {
        ObjectNode json = JSON.createObjectNode().put("format", FORMAT);
        ObjectNode stores = json.putObject("stores");
        accounts.forEach((name, account) ->
                stores.putObject(name).put("used_bytes", account.usedBytes).put("names", account.names));
        ArrayNode left = json.putArray("unfinished");
        unfinished.forEach((draft, upload) -> {
            ObjectNode entry = left.addObject()
                    .put("store", upload.store())
                    .put("in", upload.place().trusted().toString())
                    .put("draft", draft);
            upload.place().steps().forEach(entry.putArray("below")::add);
            upload.bytes().ifPresent(bytes -> entry.put("bytes", bytes));
        });
        AtomicFiles.write(
                file,
                JSON.writeValueAsBytes(json),
                AtomicFiles.Durability.PROCESS,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }
}
