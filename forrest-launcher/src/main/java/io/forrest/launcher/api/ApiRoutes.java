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

    /** Nobody is known before the whole body is here, so all strangers together get no more memory than this. */
    static final int MOST_BYTES_IN_FLIGHT = 2 * MOST_WEBHOOK_BYTES;

    private final WebhookReceiver webhooks;
    private final AtomicLong bytesInFlight = new AtomicLong();

    public ApiRoutes(WebhookReceiver webhooks) {
        this.webhooks = webhooks;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        if (!Request.getPathInContext(request).equals("/webhook")) {
            return answer(response, callback, 404, "Forrest has /webhook here.");
        }
        if (!request.getMethod().equals("POST")) {
            response.getHeaders().put(HttpHeader.ALLOW, "POST");
            return answer(response, callback, 405, "A webhook is a POST.");
        }
        long length = request.getLength();
        if (length < 0) {
            return answer(response, callback, 411, "A webhook has a Content-Length.");
        }
        if (length > MOST_WEBHOOK_BYTES) {
            LOG.warn("A webhook of {} bytes was refused: GitHub sends no more than 25 MB.", length);
            return answer(response, callback, 413, "A webhook has no more than 25 MB.");
        }
        if (bytesInFlight.addAndGet(length) > MOST_BYTES_IN_FLIGHT) {
            bytesInFlight.addAndGet(-length);
            LOG.warn("A webhook was refused: too many large ones at the same time.");
            return answer(response, callback, 503, "Too much at the same time.");
        }
        Content.Source.asByteArrayAsync(request, MOST_WEBHOOK_BYTES, new Promise.Invocable.NonBlocking<>() {
            @Override
            public void succeeded(byte[] body) {
                bytesInFlight.addAndGet(-length);
                WebhookAnswer result = webhooks.receive(headers(request), body);
                answer(response, callback, result.status(), result.line());
            }

            @Override
            public void failed(Throwable failure) {
                bytesInFlight.addAndGet(-length);
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

    private static boolean answer(Response response, Callback callback, int status, String line) {
        response.setStatus(status);
        if (status == 204) {
            callback.succeeded();
        } else {
            response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/plain;charset=utf-8");
            Content.Sink.write(response, true, line + "\n", callback);
        }
        return true;
    }
}
