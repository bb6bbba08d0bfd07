package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends signed webhooks one after the other, in the order in which things happened, unless told to misbehave. As GitHub it
 * waits 10 s for an answer and never tries again. Whoever makes things happen does not wait for any of this.
 */
final class WebhookSender implements AutoCloseable {
    static final Duration GITHUBS_PATIENCE = Duration.ofSeconds(10);

    private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);
    private static final Duration LONGEST_OVERTAKEN = Duration.ofSeconds(5);
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.\\d (\\d{3})\\b");
    private static final String END_OF_HEAD = "\r\n\r\n";
    private static final int MOST_ANSWER_BYTES = 64 << 10;
    private static final int MOST_DELIVERIES_KEPT = 10_000;

    private final String secret;
    private final Faults faults;
    private final Duration patience;
    private final ScheduledExecutorService thread = daemon("embedded-github-webhooks");
    private final ScheduledExecutorService timer = daemon("embedded-github-timer");
    private volatile Optional<WebhookTarget> target = Optional.empty();

    // Only on the sender's thread.
    private final List<Webhook> heldBack = new ArrayList<>();
    private int toHoldBack;
    private final List<Webhook> overtaken = new ArrayList<>();

    // Guarded by itself.
    private final Deque<String> deliveries = new ArrayDeque<>();

    WebhookSender(String secret, Faults faults, Duration patience) {
        this.secret = secret;
        this.faults = faults;
        this.patience = patience;
    }

    private static ScheduledExecutorService daemon(String name) {
        return Executors.newSingleThreadScheduledExecutor(work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    private record Webhook(String summary, UUID delivery, String body, Faults.WebhookFault fault) {}

    void target(WebhookTarget value) {
        target = Optional.of(value);
    }

    List<String> deliveries() {
        synchronized (deliveries) {
            return List.copyOf(deliveries);
        }
    }

    /** {@code event} is a {@code workflow_job}. */
    void send(ObjectNode event) {
        if (target.isEmpty() || faults.dropsWebhook()) {
            return;
        }
        Webhook webhook = new Webhook(
                event.path("action").asText() + " "
                        + event.path("workflow_job").path("id").asText(),
                UUID.randomUUID(),
                event.toString(),
                faults.forWebhook());
        try {
            Future<?> unused =
                    thread.schedule(() -> order(webhook), faults.webhookDelay().toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("The embedded GitHub is closing; a webhook is not sent.", e);
        }
    }

    private void order(Webhook webhook) {
        toHoldBack += faults.takeWebhooksToReorder();
        if (toHoldBack > 0) {
            heldBack.add(webhook);
            toHoldBack--;
            if (toHoldBack == 0) {
                Collections.reverse(heldBack);
                heldBack.forEach(this::deliver);
                heldBack.clear();
            }
        } else {
            deliver(webhook);
        }
    }

    private void deliver(Webhook webhook) {
        switch (webhook.fault()) {
            case DROPPED -> LOG.debug("The webhook \"{}\" is not sent.", webhook.summary());
            case OVERTAKEN -> {
                overtaken.add(webhook);
                // Unless nothing comes after it.
                Future<?> unused =
                        thread.schedule(this::deliverOvertaken, LONGEST_OVERTAKEN.toMillis(), TimeUnit.MILLISECONDS);
            }
            case DOUBLED -> {
                deliverCopies(webhook);
                deliverCopies(webhook);
            }
            case FORGED_COPY -> {
                deliverCopies(webhook);
                target.ifPresent(to -> deliver(webhook, to, secret + "?"));
            }
            case NONE -> deliverCopies(webhook);
        }
    }

    private void deliverCopies(Webhook webhook) {
        for (int copy = 0; copy < faults.webhookCopies(); copy++) {
            target.ifPresent(to -> deliver(webhook, to, secret));
        }
        deliverOvertaken();
    }

    private void deliverOvertaken() {
        List<Webhook> late = List.copyOf(overtaken);
        overtaken.clear();
        late.forEach(this::deliverCopies);
    }

    private void deliver(Webhook webhook, WebhookTarget to, String signedWith) {
        String outcome;
        try {
            outcome = Integer.toString(post(to, webhook, signedWith));
        } catch (AsynchronousCloseException e) {
            outcome = "failed: no answer within " + patience.toMillis() + " ms";
        } catch (IOException e) {
            outcome = "failed: " + e.getMessage();
        }
        if (!outcome.startsWith("2")) {
            LOG.warn("The webhook \"{}\" to {}: {}", webhook.summary(), to, outcome);
        }
        synchronized (deliveries) {
            deliveries.add(webhook.summary() + " " + outcome);
            if (deliveries.size() > MOST_DELIVERIES_KEPT) {
                deliveries.remove();
            }
        }
    }

    private int post(WebhookTarget to, Webhook webhook, String signedWith) throws IOException {
        byte[] body = webhook.body().getBytes(StandardCharsets.UTF_8);
        String head = "POST " + to.path() + " HTTP/1.1\r\nHost: forrest\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + body.length
                + "\r\nUser-Agent: GitHub-Hookshot/embedded\r\nX-GitHub-Event: workflow_job\r\nX-GitHub-Delivery: "
                + webhook.delivery() + "\r\nX-Hub-Signature-256: sha256=" + sign(body, signedWith) + "\r\n\r\n";
        try (SocketChannel channel = to.open()) {
            // A blocking channel has no timeout, but ends whatever it does when it is closed.
            Future<?> giveUp = timer.schedule(() -> close(channel), patience.toMillis(), TimeUnit.MILLISECONDS);
            try {
                channel.connect(to.address());
                writeFully(channel, head.getBytes(StandardCharsets.US_ASCII));
                writeFully(channel, body);
                return readStatus(channel);
            } finally {
                giveUp.cancel(false);
            }
        }
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("Closing a webhook's connection failed.", e);
        }
    }

    private static void writeFully(SocketChannel channel, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private static int readStatus(SocketChannel channel) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        ByteBuffer buffer = ByteBuffer.allocate(4096);
        String head = "";
        while (!head.contains(END_OF_HEAD) && answer.size() < MOST_ANSWER_BYTES && channel.read(buffer) >= 0) {
            answer.write(buffer.array(), 0, buffer.position());
            buffer.clear();
            head = answer.toString(StandardCharsets.ISO_8859_1);
        }
        Matcher status = STATUS.matcher(head);
        if (!status.lookingAt()) {
            throw new IOException("the answer is not HTTP");
        }
        return Integer.parseInt(status.group(1));
    }

    private static String sign(byte[] body, String secret) {
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
        timer.shutdownNow();
    }
}
