package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** An HTTP server that keeps the webhooks it gets. */
final class WebhookInbox implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpServer server;
    private final BlockingQueue<Webhook> webhooks = new LinkedBlockingQueue<>();

    /** {@code headers} have names in lower case. */
    record Webhook(String method, Map<String, String> headers, String text) {
        JsonNode event() {
            try {
                return JSON.readTree(text);
            } catch (IOException e) {
                throw new AssertionError(text, e);
            }
        }

        String summary() {
            return event().path("action").asText() + " "
                    + event().at("/workflow_job/name").asText();
        }
    }

    WebhookInbox(int status) throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.createContext("/webhook", exchange -> {
            try (exchange) {
                Map<String, String> headers = new HashMap<>();
                exchange.getRequestHeaders()
                        .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
                String text = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
                webhooks.add(new Webhook(exchange.getRequestMethod(), headers, text));
                exchange.sendResponseHeaders(status, -1);
            }
        });
        server.start();
    }

    WebhookTarget target() {
        return WebhookTarget.http(
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/webhook"));
    }

    Webhook take() throws InterruptedException {
        Webhook webhook = webhooks.poll(30, TimeUnit.SECONDS);
        if (webhook == null) {
            throw new AssertionError("no webhook came");
        }
        return webhook;
    }

    List<String> takeSummaries(int count) throws InterruptedException {
        List<String> summaries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            summaries.add(take().summary());
        }
        return summaries;
    }

    boolean isEmpty() {
        return webhooks.isEmpty();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
