package io.forrest.launcher.api;

import io.forrest.github.WebhookAnswer;
import io.forrest.github.WebhookReceiver;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Promise;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Which request goes where. No request blocks a thread while its body comes in, however slowly. */
public final class ApiRoutes extends Handler.Abstract.NonBlocking {
    private static final Logger LOG = LoggerFactory.getLogger(ApiRoutes.class);

    /** GitHub's limit for a webhook ("Webhook events and payloads": 25 MB). */
    static final int MOST_WEBHOOK_BYTES = 25 << 20;

    /** Nobody is known before the whole body is here, so all strangers together get no more memory than this for large ones. */
    static final int MOST_BYTES_IN_FLIGHT = 2 * MOST_WEBHOOK_BYTES;

    /**
     * A webhook of this size, which those of jobs are far from, is always let in: the number of connections bounds what
     * they take together. Else two strangers who announce large ones and send nothing would keep out GitHub.
     */
    static final int SMALL_WEBHOOK_BYTES = 128 << 10;

    private final WebhookReceiver webhooks;
    private final AtomicLong bytesInFlight = new AtomicLong();

    public ApiRoutes(WebhookReceiver webhooks) {
        this.webhooks = webhooks;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        if (!Request.getPathInContext(request).equals("/webhook")) {
            return Answers.text(response, callback, 404, "Forrest has /webhook and /artifact here.");
        }
        if (!request.getMethod().equals("POST")) {
            response.getHeaders().put(HttpHeader.ALLOW, "POST");
            return Answers.text(response, callback, 405, "A webhook is a POST.");
        }
        long length = request.getLength();
        if (length < 0) {
            return Answers.text(response, callback, 411, "A webhook has a Content-Length.");
        }
        if (length > MOST_WEBHOOK_BYTES) {
            LOG.warn("A webhook of {} bytes was refused: GitHub sends no more than 25 MB.", length);
            return Answers.text(response, callback, 413, "A webhook has no more than 25 MB.");
        }
        long share = length > SMALL_WEBHOOK_BYTES ? length : 0;
        if (bytesInFlight.addAndGet(share) > MOST_BYTES_IN_FLIGHT && share > 0) {
            bytesInFlight.addAndGet(-share);
            LOG.warn("A webhook was refused: too many large ones at the same time.");
            return Answers.text(response, callback, 503, "Too much at the same time.");
        }
        Content.Source.asByteArrayAsync(request, MOST_WEBHOOK_BYTES, new Promise.Invocable.NonBlocking<>() {
            @Override
            public void succeeded(byte[] body) {
                bytesInFlight.addAndGet(-share);
                WebhookAnswer result = webhooks.receive(headers(request), body);
                Answers.text(response, callback, result.status(), result.line());
            }

            @Override
            public void failed(Throwable failure) {
                bytesInFlight.addAndGet(-share);
                LOG.info("A webhook did not arrive whole: {}", failure.toString());
                callback.failed(failure);
            }
        });
        return true;
    }

    private static Map<String, String> headers(Request request) {
        Map<String, String> headers = new HashMap<>();
        for (HttpField field : request.getHeaders()) {
            headers.putIfAbsent(field.getName().toLowerCase(Locale.ROOT), field.getValue());
        }
        return headers;
    }
}
