package io.forrest.github;

import com.sun.net.httpserver.HttpServer;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.spi.JobSource;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** The receiver of webhooks does what every job source does, behind an HTTP server. */
public class WebhookReceiverContractTest extends EmbeddedJobSourceContract {
    private final List<WebhookReceiver> receivers = new CopyOnWriteArrayList<>();
    private HttpServer server;

    @Override
    protected void openForge() throws Exception {
        super.openForge();
        receivers.clear();
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.createContext("/webhook", exchange -> {
            try (exchange) {
                Map<String, String> headers = new HashMap<>();
                exchange.getRequestHeaders()
                        .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
                byte[] body = exchange.getRequestBody().readAllBytes();
                int status = 0;
                for (WebhookReceiver receiver : receivers) {
                    status = Math.max(status, receiver.receive(headers, body).status());
                }
                exchange.sendResponseHeaders(status, -1);
            }
        });
        server.start();
        rig().github
                .webhookTarget(WebhookTarget.http(
                        URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/webhook")));
    }

    @Override
    protected void closeForge() throws Exception {
        super.closeForge();
        server.stop(0);
    }

    @Override
    protected JobSource source() {
        WebhookReceiver receiver = new WebhookReceiver(rig().config(), rig().source(repository()), rig().clock);
        receivers.add(receiver);
        return receiver;
    }
}
