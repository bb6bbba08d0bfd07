package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** A GitHub that answers whatever a test says. */
final class ScriptedServer implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpServer server;
    private final List<Request> requests = new CopyOnWriteArrayList<>();

    /** {@code headers} have names in lower case. */
    record Request(String method, String path, Map<String, String> headers, String body) {
        JsonNode json() {
            try {
                return JSON.readTree(body);
            } catch (IOException e) {
                throw new AssertionError(body, e);
            }
        }

        String call() {
            return method + " " + path;
        }
    }

    record Reply(int status, String body, Map<String, String> headers) {
        static Reply of(int status, String body) {
            return new Reply(status, body, Map.of());
        }
    }

    /** It knows an installation and its token by itself. */
    ScriptedServer(Function<Request, Reply> script) throws IOException {
        this(script, true);
    }

    /** Whether it {@code hasInstallation}, or is asked for that, too. */
    ScriptedServer(Function<Request, Reply> script, boolean hasInstallation) throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.createContext("/", exchange -> {
            try (exchange) {
                Map<String, String> headers = new HashMap<>();
                exchange.getRequestHeaders()
                        .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
                Request request = new Request(
                        exchange.getRequestMethod(),
                        exchange.getRequestURI().toString(),
                        headers,
                        new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
                requests.add(request);
                Reply reply = hasInstallation && request.path().endsWith("/installation")
                        ? Reply.of(200, "{\"id\":1}")
                        : hasInstallation && request.path().endsWith("/access_tokens")
                                ? Reply.of(201, "{\"token\":\"ghs_scripted\",\"expires_at\":\"2099-01-01T00:00:00Z\"}")
                                : script.apply(request);
                reply.headers()
                        .forEach((name, value) -> exchange.getResponseHeaders().set(name, value));
                byte[] body = reply.body().getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(reply.status(), body.length == 0 ? -1 : body.length);
                if (body.length > 0) {
                    exchange.getResponseBody().write(body);
                }
            }
        });
        server.start();
    }

    URI address() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /** Those about anything but tokens. */
    List<Request> requests() {
        return requests.stream()
                .filter(request -> !request.path().endsWith("/installation")
                        && !request.path().endsWith("/access_tokens"))
                .toList();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
