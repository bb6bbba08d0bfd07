package io.forrest.launcher.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Asks a running Forrest on its control socket. Thread-safe; each question has a connection of its own.
 *
 * <p>In HTTP/1.0, where an answer ends with its connection: the JDK's client cannot do Unix sockets, and this is all of HTTP
 * that is needed.
 */
public final class ControlClient {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path socket;

    /** Nobody listens on the socket. */
    public static final class NotRunningException extends Exception {
        private static final long serialVersionUID = 1;

        private NotRunningException(Path socket) {
            super("no Forrest listens on " + socket);
        }
    }

    public ControlClient(Path socket) {
        this.socket = socket;
    }

    /** See {@link ControlRoutes}. Throws if Forrest cannot be asked, or answers with anything but what was asked for. */
    public JsonNode get(String path) throws IOException, NotRunningException {
        return JSON.readTree(exchange("GET", path));
    }

    /** Asks for something to be done; returns once Forrest has agreed. */
    public void post(String path) throws IOException, NotRunningException {
        exchange("POST", path);
    }

    private String exchange(String method, String path) throws IOException, NotRunningException {
        String answer;
        try (SocketChannel channel = connect()) {
            ByteBuffer request =
                    ByteBuffer.wrap((method + " " + path + " HTTP/1.0\r\nHost: forrest\r\nContent-Length: 0\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            while (request.hasRemaining()) {
                channel.write(request);
            }
            answer = readAll(channel);
        }
        int head = answer.indexOf("\r\n\r\n");
        if (head < 0 || !answer.startsWith("HTTP/1.")) {
            throw new IOException("Forrest ended before it had answered on " + socket + ".");
        }
        String body = answer.substring(head + 4).strip();
        String status = answer.substring(0, answer.indexOf('\r')).split(" ", 3)[1];
        if (!status.startsWith("2")) {
            throw new IOException("Forrest answered on " + socket + " with " + status + ": " + body);
        }
        return body;
    }

    private SocketChannel connect() throws IOException, NotRunningException {
        try {
            return SocketChannel.open(UnixDomainSocketAddress.of(socket));
        } catch (ConnectException e) {
            // A killed Forrest leaves its socket behind.
            throw new NotRunningException(socket);
        } catch (IOException e) {
            if (Files.notExists(socket)) {
                throw new NotRunningException(socket);
            }
            throw new IOException(
                    socket + " cannot be asked: " + e.getMessage()
                            + ". Only root and the user that Forrest runs as may do so.",
                    e);
        }
    }

    private static String readAll(SocketChannel channel) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        ByteBuffer buffer = ByteBuffer.allocate(1 << 14);
        while (channel.read(buffer) >= 0) {
            answer.write(buffer.array(), 0, buffer.position());
            buffer.clear();
        }
        return answer.toString(StandardCharsets.UTF_8);
    }
}
