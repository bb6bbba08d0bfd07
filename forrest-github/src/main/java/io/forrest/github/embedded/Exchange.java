package io.forrest.github.embedded;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A request and its answer. One thread at a time. */
final class Exchange {
    private static final int MOST_HEAD_BYTES = 64 << 10;

    /** The rest of a longer body is skipped. */
    private static final int MOST_BODY_BYTES = 1 << 20;

    private final String method;
    private final URI uri;
    private final Map<String, List<String>> headers;
    private final byte[] body;
    private final OutputStream out;
    private final Clock clock;
    private boolean answered;

    private Exchange(
            String method, URI uri, Map<String, List<String>> headers, byte[] body, OutputStream out, Clock clock) {
        this.method = method;
        this.uri = uri;
        this.headers = headers;
        this.body = body;
        this.out = out;
        this.clock = clock;
    }

    /** The next request of a connection; empty if it has ended. */
    static Optional<Exchange> read(InputStream in, OutputStream out, Clock clock) throws IOException {
        String head = head(in);
        if (head.isEmpty()) {
            return Optional.empty();
        }
        String[] lines = head.split("\r\n", -1);
        String[] request = lines[0].split(" ", -1);
        if (request.length != 3) {
            throw new IOException("not a request: " + lines[0]);
        }
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(':');
            if (colon > 0) {
                headers.computeIfAbsent(lines[i].substring(0, colon), any -> new ArrayList<>())
                        .add(lines[i].substring(colon + 1).strip());
            }
        }
        if (headers.containsKey("Expect")) {
            out.write("HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            out.flush();
        }
        try {
            long length = Long.parseLong(
                    headers.getOrDefault("Content-Length", List.of("0")).get(0));
            byte[] body = in.readNBytes((int) Math.min(length, MOST_BODY_BYTES));
            in.skipNBytes(length - body.length);
            return Optional.of(new Exchange(request[0], URI.create(request[1]), headers, body, out, clock));
        } catch (IllegalArgumentException e) {
            throw new IOException("not a request: " + lines[0], e);
        }
    }

    /** Without its last, empty line; empty at the end of the connection. */
    private static String head(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        int newLines = 0;
        while (newLines < 2 && head.size() < MOST_HEAD_BYTES) {
            int next = in.read();
            if (next < 0) {
                return "";
            }
            head.write(next);
            newLines = next == '\n' ? newLines + 1 : next == '\r' ? newLines : 0;
        }
        return head.toString(StandardCharsets.ISO_8859_1).strip();
    }

    String method() {
        return method;
    }

    URI uri() {
        return uri;
    }

    /** The first of this name. */
    Optional<String> header(String name) {
        return headers(name).stream().findFirst();
    }

    List<String> headers(String name) {
        return headers.getOrDefault(name, List.of());
    }

    byte[] body() {
        return body.clone();
    }

    void answer(int status, Map<String, String> answerHeaders, byte[] answer) throws IOException {
        answered = true;
        write(status, answerHeaders, answer, answer.length);
    }

    /** The connection is to end after it. */
    void answerHalf(int status, byte[] answer) throws IOException {
        write(status, Map.of(), answer, answer.length / 2);
    }

    private void write(int status, Map<String, String> answerHeaders, byte[] answer, int sent) throws IOException {
        StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " \r\nDate: "
                + DateTimeFormatter.RFC_1123_DATE_TIME
                        .withLocale(Locale.ROOT)
                        .format(clock.instant().atOffset(ZoneOffset.UTC))
                + "\r\n");
        answerHeaders.forEach(
                (name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
        if (status != 204 && status != 304) {
            head.append("Content-Length: ").append(answer.length).append("\r\n");
        }
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        whole.write(answer, 0, sent);
        whole.writeTo(out);
        out.flush();
    }

    /** Whether another request may come: it was answered in full, and the client did not ask for the end. */
    boolean keepsConnection() {
        return answered
                && !header("Connection").filter("close"::equalsIgnoreCase).isPresent();
    }
}
