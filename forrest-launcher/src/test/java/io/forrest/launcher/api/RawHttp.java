package io.forrest.launcher.api;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** One request over any kind of stream socket, written as bytes: HTTP clients refuse to be as rude as strangers are. */
public final class RawHttp {
    private RawHttp() {}

    /** Sends it and returns the whole answer, which ends with the connection. */
    public static String exchange(SocketAddress server, String head, byte[] body) throws IOException {
        try (SocketChannel channel = SocketChannel.open(server)) {
            write(channel, (head + "\r\nConnection: close\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
            write(channel, body);
            return readAll(channel);
        }
    }

    static void write(SocketChannel channel, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    static String readAll(SocketChannel channel) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        ByteBuffer buffer = ByteBuffer.allocate(4096);
        while (channel.read(buffer) >= 0) {
            answer.write(buffer.array(), 0, buffer.position());
            buffer.clear();
        }
        return answer.toString(StandardCharsets.ISO_8859_1);
    }

    /** The head of an answer, up to its empty line; answers with a body are not for this. */
    static String readHead(SocketChannel channel) throws IOException {
        StringBuilder head = new StringBuilder();
        ByteBuffer one = ByteBuffer.allocate(1);
        while (head.indexOf("\r\n\r\n") < 0) {
            if (channel.read(one.clear()) < 0) {
                throw new IOException("The server has closed the connection after: " + head);
            }
            head.append((char) one.get(0));
        }
        return head.toString();
    }

    /** The status of an answer. */
    public static int status(String answer) {
        return Integer.parseInt(answer.substring(9, 12));
    }

    /** The head of a webhook with this body, signed with {@code secret}. */
    public static String webhookHead(String secret, byte[] body) {
        return "POST /webhook HTTP/1.1\r\nHost: forrest\r\nContent-Type: application/json\r\nX-GitHub-Event: workflow_job\r\n"
                + "X-Hub-Signature-256: " + Signatures.sign(secret, body) + "\r\nContent-Length: " + body.length;
    }
}
