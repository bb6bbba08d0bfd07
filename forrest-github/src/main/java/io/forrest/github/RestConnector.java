package io.forrest.github;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.kohsuke.github.connector.GitHubConnector;
import org.kohsuke.github.connector.GitHubConnectorRequest;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * Carries all requests to GitHub, those of the client library included: with limits of time and size, which its own lacks.
 * Thread-safe.
 */
final class RestConnector implements GitHubConnector {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);

    /** The largest page GitHub makes of what is asked here has about two megabytes. */
    private static final int MOST_BODY_BYTES = 16 << 20;

    private final HttpClient client;
    private final Duration answerTimeout;
    private final int mostBodyBytes;

    RestConnector() {
        this(CONNECT_TIMEOUT, ANSWER_TIMEOUT, MOST_BODY_BYTES);
    }

    RestConnector(Duration connectTimeout, Duration answerTimeout, int mostBodyBytes) {
        this.answerTimeout = answerTimeout;
        this.mostBodyBytes = mostBodyBytes;
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(connectTimeout)
                // A token is for GitHub alone, so no answer may send it elsewhere.
                .followRedirects(HttpClient.Redirect.NEVER)
                .build();
    }

    /** The message of the exception says what went wrong, but not where. */
    @Override
    public GitHubConnectorResponse send(GitHubConnectorRequest request) throws IOException {
        HttpRequest.Builder builder = HttpRequest.newBuilder(uri(request.url()));
        request.allHeaders().forEach((name, values) -> values.forEach(value -> builder.header(name, value)));
        builder.setHeader("User-Agent", "forrest");
        builder.setHeader("X-GitHub-Api-Version", "2022-11-28");
        if (request.hasBody()) {
            byte[] body = request.body().readAllBytes();
            builder.setHeader("Content-Type", "application/json");
            builder.method(request.method(), HttpRequest.BodyPublishers.ofByteArray(body));
        } else {
            builder.method(request.method(), HttpRequest.BodyPublishers.noBody());
        }
        CompletableFuture<HttpResponse<byte[]>> answer =
                client.sendAsync(builder.build(), head -> new LimitedBody(mostBodyBytes));
        try {
            // The client's own timeout ends with the answer's head; a body may never come to its end.
            HttpResponse<byte[]> response = answer.get(answerTimeout.toMillis(), TimeUnit.MILLISECONDS);
            return new Response(
                    request, response.statusCode(), response.headers().map(), response.body());
        } catch (TimeoutException e) {
            throw new IOException("no answer within " + answerTimeout.toMillis() + " ms", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IOException(why(e.getCause()), e.getCause());
        } finally {
            // Does nothing to an answer that is here.
            answer.cancel(true);
        }
    }

    /** The JDK's exceptions for a refused connection or a name that does not resolve have no message. */
    private static String why(Throwable failure) {
        String name = failure.getClass().getSimpleName();
        return failure.getMessage() == null ? name : name + ": " + failure.getMessage();
    }

    private static URI uri(URL url) throws IOException {
        try {
            return url.toURI();
        } catch (URISyntaxException e) {
            throw new IOException("not an address: " + url, e);
        }
    }

    /** Collects a body, and gives up on one that is too large. */
    private static final class LimitedBody implements HttpResponse.BodySubscriber<byte[]> {
        private final HttpResponse.BodySubscriber<byte[]> all = HttpResponse.BodySubscribers.ofByteArray();
        private final CompletableFuture<byte[]> tooLarge = new CompletableFuture<>();
        private final long mostBytes;
        private Flow.Subscription subscription;
        private long bytes;

        LimitedBody(long mostBytes) {
            this.mostBytes = mostBytes;
        }

        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            all.onSubscribe(given);
        }

        @Override
        public void onNext(List<ByteBuffer> part) {
            bytes += part.stream().mapToLong(ByteBuffer::remaining).sum();
            if (bytes <= mostBytes) {
                all.onNext(part);
            } else {
                subscription.cancel();
                tooLarge.completeExceptionally(new IOException("the answer has more than " + mostBytes + " bytes"));
            }
        }

        @Override
        public void onError(Throwable failure) {
            all.onError(failure);
        }

        @Override
        public void onComplete() {
            all.onComplete();
        }

        @Override
        public CompletionStage<byte[]> getBody() {
            return all.getBody().applyToEither(tooLarge, body -> body);
        }
    }

    private static final class Response extends GitHubConnectorResponse.ByteArrayResponse {
        private final byte[] body;

        Response(GitHubConnectorRequest request, int status, Map<String, List<String>> headers, byte[] body) {
            super(request, status, headers);
            this.body = body;
        }

        @Override
        protected InputStream rawBodyStream() {
            return new ByteArrayInputStream(body);
        }
    }
}
