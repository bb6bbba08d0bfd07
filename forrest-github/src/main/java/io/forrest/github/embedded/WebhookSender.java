package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
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

    /** For so long GitHub lists deliveries, and delivers them again. */
    private static final Duration DELIVERIES_LAST = Duration.ofDays(3);

    private static final int BAD_GATEWAY = 502;
    private static final int GATEWAY_TIMEOUT = 504;

    private final String secret;
    private final Faults faults;
    private final Clock clock;
    private final Duration patience;
    private final ScheduledExecutorService thread = daemon("embedded-github-webhooks");
    private final ScheduledExecutorService timer = daemon("embedded-github-timer");
    private volatile Optional<WebhookTarget> target = Optional.empty();

    // Only on the sender's thread.
    private final List<Sent> heldBack = new ArrayList<>();
    private int toHoldBack;
    private final List<Sent> overtaken = new ArrayList<>();

    // Guarded by itself.
    private final Deque<WebhookDelivery> deliveries = new ArrayDeque<>();
    private long lastDelivery = 7_000_000_000_000L;

    WebhookSender(String secret, Faults faults, Clock clock, Duration patience) {
        this.secret = secret;
        this.faults = faults;
        this.clock = clock;
        this.patience = patience;
    }

    private static ScheduledExecutorService daemon(String name) {
        return Executors.newSingleThreadScheduledExecutor(work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    /** A webhook that is on its way. */
    private record Sent(WebhookDelivery.Webhook webhook, boolean isRedelivery, Faults.WebhookFault fault) {
        String summary() {
            return webhook.summary();
        }
    }

    /** What came of it. */
    private record Outcome(String status, int code, String summary) {}

    void target(WebhookTarget value) {
        target = Optional.of(value);
    }

    /** The latest, in the order in which they ended. */
    List<WebhookDelivery> deliveries() {
        synchronized (deliveries) {
            return List.copyOf(deliveries);
        }
    }

    /** Those that GitHub still has, newest first. */
    List<WebhookDelivery> listed() {
        Instant oldest = clock.instant().minus(DELIVERIES_LAST);
        List<WebhookDelivery> listed = new ArrayList<>(deliveries());
        listed.removeIf(delivery -> delivery.at().isBefore(oldest));
        Collections.reverse(listed);
        return listed;
    }

    /** Delivers again what was delivered, well or not; whether that is still there. */
    boolean redeliver(long id) {
        Optional<WebhookDelivery> known =
                listed().stream().filter(delivery -> delivery.id() == id).findFirst();
        known.ifPresent(delivery -> send(new Sent(delivery.webhook(), true, Faults.WebhookFault.NONE)));
        return known.isPresent();
    }

    /** {@code event} is a {@code workflow_job}. */
    void send(ObjectNode event) {
        if (target.isEmpty() || faults.dropsWebhook()) {
            return;
        }
        send(new Sent(new WebhookDelivery.Webhook(UUID.randomUUID(), event), false, faults.forWebhook()));
    }

    private void send(Sent webhook) {
        try {
            Future<?> unused =
                    thread.schedule(() -> order(webhook), faults.webhookDelay().toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("The embedded GitHub is closing; a webhook is not sent.", e);
        }
    }

    private void order(Sent webhook) {
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

    private void deliver(Sent webhook) {
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

    private void deliverCopies(Sent webhook) {
        for (int copy = 0; copy < faults.webhookCopies(); copy++) {
            target.ifPresent(to -> deliver(webhook, to, secret));
        }
        deliverOvertaken();
    }

    private void deliverOvertaken() {
        List<Sent> late = List.copyOf(overtaken);
        overtaken.clear();
        late.forEach(this::deliverCopies);
    }

    private void deliver(Sent webhook, WebhookTarget to, String signedWith) {
        Instant at = clock.instant();
        long startNanos = System.nanoTime();
        Outcome outcome;
        try {
            int code = post(to, webhook, signedWith);
            outcome = new Outcome(code < 400 ? "OK" : "Invalid HTTP Response: " + code, code, Integer.toString(code));
        } catch (AsynchronousCloseException e) {
            outcome = new Outcome(
                    "timed out", GATEWAY_TIMEOUT, "failed: no answer within " + patience.toMillis() + " ms");
        } catch (IOException e) {
            outcome = new Outcome("failed to connect to host", BAD_GATEWAY, "failed: " + e.getMessage());
        }
        if (!outcome.summary().startsWith("2")) {
            LOG.warn("The webhook \"{}\" to {}: {}", webhook.summary(), to, outcome.summary());
        }
        synchronized (deliveries) {
            deliveries.add(new WebhookDelivery(
                    ++lastDelivery,
                    webhook.webhook(),
                    webhook.isRedelivery(),
                    at,
                    Duration.ofNanos(System.nanoTime() - startNanos),
                    outcome.status(),
                    outcome.code(),
                    webhook.summary() + " " + outcome.summary()));
            if (deliveries.size() > MOST_DELIVERIES_KEPT) {
                deliveries.remove();
            }
        }
    }

    private int post(WebhookTarget to, Sent webhook, String signedWith) throws IOException {
        byte[] body = webhook.webhook().event().toString().getBytes(StandardCharsets.UTF_8);
        String head = "POST " + to.path() + " HTTP/1.1\r\nHost: forrest\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + body.length
                + "\r\nUser-Agent: GitHub-Hookshot/embedded\r\nX-GitHub-Event: workflow_job\r\nX-GitHub-Delivery: "
                + webhook.webhook().guid() + "\r\nX-Hub-Signature-256: sha256=" + sign(body, signedWith) + "\r\n\r\n";
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
