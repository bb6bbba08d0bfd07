package io.forrest.vm.qemu;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * One connection to a QEMU's monitor, by the QEMU Machine Protocol (QEMU's docs/interop/qmp-spec): one JSON object per
 * line. Reading belongs to one thread; sending and closing may come from any.
 */
final class QmpClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Answers to what is asked here are far shorter; a line without end is not from a QEMU in good order. */
    private static final int MOST_LINE_BYTES = 1 << 20;

    private final SocketChannel channel;
    private final ByteBuffer input = ByteBuffer.allocate(8192).flip();
    private final Deque<JsonNode> earlyEvents = new ArrayDeque<>();

    private QmpClient(SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects to the VM in {@code runDirectory} and leaves negotiation behind. */
    static QmpClient connect(Path runDirectory) throws IOException {
        // The whole path may be longer than a socket address can hold, so it is reached by a short one.
        Path detour = Files.createTempDirectory("forrest-qmp");
        Path link = detour.resolve("d");
        try {
            Files.createSymbolicLink(link, runDirectory);
            SocketChannel channel =
                    SocketChannel.open(UnixDomainSocketAddress.of(link.resolve(QemuCommandLine.QMP_SOCKET)));
            QmpClient client = new QmpClient(channel);
            try {
                client.readObject();
                client.send("qmp_capabilities");
                client.awaitReturn();
                return client;
            } catch (IOException e) {
                client.close();
                throw e;
            }
        } finally {
            Files.deleteIfExists(link);
            Files.deleteIfExists(detour);
        }
    }

    /** The run state of the VM, e.g. {@code running}. */
    String runState() throws IOException {
        send("query-status");
        return awaitReturn().path("status").asText();
    }

    /** Sends a command without waiting for its answer. */
    void send(String command) throws IOException {
        byte[] line = (JSON.createObjectNode().put("execute", command) + "\n").getBytes(StandardCharsets.UTF_8);
        ByteBuffer buffer = ByteBuffer.wrap(line);
        synchronized (channel) {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
    }

    /** The next event; blocks until there is one. Throws when the connection ends. */
    JsonNode nextEvent() throws IOException {
        Optional<JsonNode> early = Optional.ofNullable(earlyEvents.poll());
        if (early.isPresent()) {
            return early.get();
        }
        JsonNode object = readObject();
        while (!object.has("event")) {
            object = readObject();
        }
        return object;
    }

    /** Events interleave with answers; they are kept. */
    private JsonNode awaitReturn() throws IOException {
        while (true) {
            JsonNode object = readObject();
            if (object.has("return")) {
                return object.get("return");
            }
            if (object.has("error")) {
                throw new IOException("QEMU refused a command: " + object.get("error"));
            }
            if (object.has("event")) {
                earlyEvents.add(object);
            }
        }
    }

    private JsonNode readObject() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (true) {
            if (!input.hasRemaining()) {
                input.clear();
                int read = channel.read(input);
                input.flip();
                if (read < 0) {
                    throw new EOFException("QEMU closed its monitor");
                }
            }
            while (input.hasRemaining()) {
                byte b = input.get();
                if (b == '\n') {
                    return JSON.readTree(line.toByteArray());
                }
                line.write(b);
            }
            if (line.size() > MOST_LINE_BYTES) {
                throw new IOException("QEMU's monitor sent a line of more than " + MOST_LINE_BYTES + " bytes");
            }
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
