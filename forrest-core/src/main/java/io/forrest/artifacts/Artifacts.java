package io.forrest.artifacts;

import io.forrest.artifacts.ArtifactException.Kind;
import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.domain.Secret;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Takes what machines upload into the stores of their machine types. Thread-safe. */
public final class Artifacts implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Artifacts.class);

    /** Of all machines together. Each takes a connection, of which others must find some. */
    private static final int MOST_AT_ONCE = 128;

    private final Supplier<List<Uploader>> machines;
    private final Set<ArtifactUpload> open = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /** {@code machines} tells who may upload now, and never blocks. */
    public Artifacts(Supplier<List<Uploader>> machines) {
        this.machines = machines;
    }

    /**
     * Begins an upload. Blocks for a moment, for the disk. The caller closes what it gets, whatever comes of it.
     *
     * @throws ArtifactException if it is not allowed, or not possible
     */
    public ArtifactUpload begin(ArtifactRequest request) throws ArtifactException {
        Uploader machine = machine(request.runToken())
                .orElseThrow(() -> new ArtifactException(
                        Kind.UNKNOWN, "This run token is not that of a machine that is running."));
        ArtifactStore store = store(machine, request)
                .orElseThrow(() -> new ArtifactException(
                        Kind.UNKNOWN, "This machine has no such store, or that takes another token."));
        if (closed || open.size() >= MOST_AT_ONCE) {
            throw new ArtifactException(Kind.BUSY, "Too many uploads at the same time; try again later.");
        }
        ArtifactUpload upload = ArtifactUpload.begin(machine, store, request, open::remove);
        open.add(upload);
        if (closed) {
            upload.close();
            throw new ArtifactException(Kind.BUSY, "Forrest is ending; try again later.");
        }
        LOG.debug("{} uploads {} to {}.", machine.machine(), request.path(), store.name());
        return upload;
    }

    /** Looks at all of them, however soon it is found: the time that it takes tells nothing. */
    private Optional<Uploader> machine(Secret candidate) {
        byte[] bytes = candidate.revealBytes();
        Optional<Uploader> found = Optional.empty();
        for (Uploader machine : machines.get()) {
            if (machine.runToken().matches(bytes)) {
                found = Optional.of(machine);
            }
        }
        return found;
    }

    private static Optional<ArtifactStore> store(Uploader machine, ArtifactRequest request) {
        return machine.stores().stream()
                .filter(store -> store.name().equals(request.store()))
                .filter(store -> store.token().isEmpty()
                        || request.extraToken()
                                .filter(extra -> store.token().get().matches(extra.revealBytes()))
                                .isPresent())
                .findFirst();
    }

    /** Takes no more uploads, and breaks off those that are not complete. A second call does nothing. */
    @Override
    public void close() {
        closed = true;
        open.forEach(ArtifactUpload::close);
    }
}
