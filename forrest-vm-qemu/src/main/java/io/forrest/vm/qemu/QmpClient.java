package io.forrest.vm.qemu;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
    private volatile boolean ready;
    private Optional<String> shutdownReason = Optional.empty();

    private QmpClient(SocketChannel channel) {
        this.channel = channel;
    }

    /** One that is not connected yet, so that it can be closed while it connects. */
    static QmpClient open() throws IOException {
        return new QmpClient(SocketChannel.open(StandardProtocolFamily.UNIX));
    }

    /**
     * Connects to the VM in {@code runDirectory} and leaves negotiation behind. QEMU serves one client at a time: blocks
     * while it has another.
     */
    void connect(Path runDirectory) throws IOException {
        RunSocket.connect(channel, runDirectory, QemuCommandLine.QMP_SOCKET);
        readObject();
        send("qmp_capabilities");
        awaitReturn("qmp_capabilities");
        ready = true;
    }

    /** Whether it may be sent to: true from the end of {@link #connect} on. Safe from any thread. */
    boolean isReady() {
        return ready;
    }

    /** The run state of the VM, e.g. {@code running}. What happened before it is told here, not by {@link #awaitEvent}. */
    String runState() throws IOException {
        send("query-status");
        return awaitReturn("query-status").path("status").asText();
    }

    /** Why the VM shut down, as far as this connection was told. */
    Optional<String> shutdownReason() {
        return shutdownReason;
    }

    /** Sends a command without waiting for its answer. */
    void send(String command) throws IOException {
        byte[] line = (JSON.createObjectNode().put("execute", command).put("id", command) + "\n")
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer buffer = ByteBuffer.wrap(line);
        synchronized (channel) {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
    }

    /** Blocks until something happens. Throws when the connection ends. */
    void awaitEvent() throws IOException {
        JsonNode object = readObject();
        while (!object.has("event")) {
            object = readObject();
        }
    }

    private JsonNode awaitReturn(String command) throws IOException {
        while (true) {
            JsonNode object = readObject();
            if (object.path("id").asText().equals(command)) {
                if (object.has("error")) {
                    throw new IOException("QEMU refused a command: " + object.get("error"));
                }
                return object.path("return");
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
                    return noted(JSON.readTree(line.toByteArray()));
                }
                line.write(b);
            }
            if (line.size() > MOST_LINE_BYTES) {
                throw new IOException("QEMU's monitor sent a line of more than " + MOST_LINE_BYTES + " bytes");
            }
        }
    }

    private JsonNode noted(JsonNode object) {
        if (object.path("event").asText().equals("SHUTDOWN")) {
            shutdownReason = Optional.of(object.path("data").path("reason").asText());
        }
        return object;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
