package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends signed webhooks in the order in which things happened, unless told to misbehave. Never waits for the receiver. */
final class WebhookSender implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);

    private final String secret;
    private final Faults faults;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread sender = new Thread(work, "embedded-github-webhooks");
        sender.setDaemon(true);
        return sender;
    });
    private volatile Optional<WebhookTarget> target = Optional.empty();

    // Only on the sender's thread.
    private final List<byte[]> heldBack = new ArrayList<>();
    private int toHoldBack;

    WebhookSender(String secret, Faults faults) {
        this.secret = secret;
        this.faults = faults;
    }

    void target(WebhookTarget value) {
        target = Optional.of(value);
    }

    void send(JsonNode event) {
        byte[] body = event.toString().getBytes(StandardCharsets.UTF_8);
        if (target.isEmpty() || faults.dropsWebhook()) {
            return;
        }
        try {
            Future<?> unused =
                    thread.schedule(() -> order(body), faults.webhookDelay().toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("The embedded GitHub is closing; a webhook is not sent.", e);
        }
    }

    private void order(byte[] body) {
        toHoldBack += faults.takeWebhooksToReorder();
        if (toHoldBack > 0) {
            heldBack.add(body);
            toHoldBack--;
            if (toHoldBack == 0) {
                Collections.reverse(heldBack);
                heldBack.forEach(this::deliver);
                heldBack.clear();
            }
        } else {
            deliver(body);
        }
    }

    private void deliver(byte[] body) {
        for (int copy = 0; copy < faults.webhookCopies(); copy++) {
            target.ifPresent(to -> {
                try {
                    int status = post(to, body);
                    if (status >= 300) {
                        LOG.warn("A webhook was answered with {}.", status);
                    }
                } catch (IOException e) {
                    LOG.warn("A webhook could not be delivered: {}", e.toString());
                }
            });
        }
    }

    private int post(WebhookTarget to, byte[] body) throws IOException {
        String head = "POST " + to.path() + " HTTP/1.1\r\nHost: forrest\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + body.length
                + "\r\nUser-Agent: GitHub-Hookshot/embedded\r\nX-GitHub-Event: workflow_job\r\nX-GitHub-Delivery: "
                + UUID.randomUUID() + "\r\nX-Hub-Signature-256: sha256=" + sign(body) + "\r\n\r\n";
        try (SocketChannel channel = SocketChannel.open(to.address())) {
            writeFully(channel, head.getBytes(StandardCharsets.US_ASCII));
            writeFully(channel, body);
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            ByteBuffer buffer = ByteBuffer.allocate(1024);
            while (channel.read(buffer) >= 0 && answer.size() < 4096) {
                answer.write(buffer.array(), 0, buffer.position());
                buffer.clear();
            }
            String line = answer.toString(StandardCharsets.ISO_8859_1);
            if (line.length() < 12) {
                throw new IOException("no answer");
            }
            return Integer.parseInt(line.substring(9, 12));
        }
    }

    private static void writeFully(SocketChannel channel, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private String sign(byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HmacSHA256", e);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
