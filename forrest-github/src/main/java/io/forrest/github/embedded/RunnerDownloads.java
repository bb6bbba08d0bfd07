package io.forrest.github.embedded;

import java.io.IOException;
import java.net.URI;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** The runner's archives, and which of them is offered. As with GitHub, a release's address leads to where its files are. */
final class RunnerDownloads implements LoopbackServer.Handler {
    static final String PREFIX = "/downloads/";

    private static final String OBJECTS = PREFIX + "objects/";

    private final String address;
    private final Map<String, byte[]> archives = new ConcurrentHashMap<>();
    private final AtomicInteger downloads = new AtomicInteger();
    private volatile Optional<RunnerOffer> offer = Optional.empty();

    /** {@code address} is that of the server. */
    RunnerDownloads(String address) {
        this.address = address;
    }

    /** Empty if none is offered. */
    Optional<RunnerOffer> offer() {
        return offer;
    }

    void offer(RunnerOffer next) {
        offer = Optional.of(next);
    }

    /** How many archives were sent. */
    int count() {
        return downloads.get();
    }

    void publish(String version, byte[] archive) {
        String fileName = "actions-runner-linux-x64-" + version + ".tar.gz";
        archives.put(fileName, archive.clone());
        offer(new RunnerOffer(
                fileName,
                URI.create(address + PREFIX + "v" + version + "/" + fileName),
                Optional.of(sha256(archive)),
                Optional.empty()));
    }

    private static String sha256(byte[] archive) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(archive));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    @Override
    public void handle(Exchange exchange) throws IOException {
        String path = exchange.uri().getPath();
        String fileName = path.substring(path.lastIndexOf('/') + 1);
        Optional<byte[]> archive = Optional.ofNullable(archives.get(fileName));
        if (!exchange.method().equals("GET") || archive.isEmpty()) {
            exchange.answer(404, Map.of(), new byte[0]);
        } else if (path.startsWith(OBJECTS)) {
            downloads.incrementAndGet();
            exchange.answer(200, Map.of("Content-Type", "application/octet-stream"), archive.get());
        } else {
            exchange.answer(302, Map.of("Location", address + OBJECTS + fileName), new byte[0]);
        }
    }
}
