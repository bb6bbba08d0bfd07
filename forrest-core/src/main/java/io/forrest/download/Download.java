package io.forrest.download;

import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Fetches files by http or https. For one thread at a time; each call blocks, and is ended by an interrupt. */
public final class Download {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(20);
    private static final Duration WITHOUT_END = Duration.ofDays(10_000);
    private static final int OK = 200;
    private static final int SERVER_ERROR = 500;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final Set<Integer> REDIRECTIONS = Set.of(301, 302, 303, 307, 308);
    private static final int MOST_REDIRECTIONS = 5;

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            // The client would take a token along to wherever it is sent.
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();
    private final Duration longestSilence;
    private final Duration longest;
    private final long mostBytes;

    /** However large a file is and however long it takes: without a byte for {@code longestSilence}, a server is given up. */
    public Download(Duration longestSilence) {
        this(longestSilence, WITHOUT_END, Long.MAX_VALUE);
    }

    /** Also gives up what takes longer than {@code longest}, or has more than {@code mostBytes}. */
    public Download(Duration longestSilence, Duration longest, long mostBytes) {
        this.longestSilence = longestSilence;
        this.longest = longest;
        this.mostBytes = mostBytes;
    }

    /** Says no before the download begins, if there is no room for it. */
    @FunctionalInterface
    public interface Admission {
        /** {@code totalBytes} is empty if the server does not say. */
        void admit(OptionalLong totalBytes) throws IOException, PluginException;
    }

    /** Is told how far it is, often. */
    @FunctionalInterface
    public interface Progress {
        /** {@code totalBytes} is empty if nobody knows how many there are. */
        void at(long doneBytes, OptionalLong totalBytes);
    }

    /** An address as logs and people may see it: without a user, a password, or a signed query. */
    public static String spoken(URI address) {
        return address.toString().replaceFirst("//[^/@]*@", "//").replaceFirst("\\?.*", "");
    }

    /**
     * Writes what is at {@code address} to {@code target}, which does not exist, and passes it to {@code digest} as it comes.
     * On failure a part of it may be left there.
     *
     * @param token the bearer of it may have the file; it is shown to the server of {@code address} alone
     * @throws IOException if the target cannot be written
     * @throws PluginException if the server cannot be reached, refuses, breaks off, or sends too much
     */
    public void fetch(
            URI address,
            Optional<Secret> token,
            Path target,
            MessageDigest digest,
            Admission admission,
            Progress progress)
            throws IOException, PluginException {
        long startNanos = System.nanoTime();
        HttpResponse<PieceByPiece> response = follow(address, token);
        try (PieceByPiece body = response.body()) {
            if (response.statusCode() != OK) {
                throw refused(address, response);
            }
            OptionalLong total = response.headers().firstValueAsLong("Content-Length");
            checkSize(address, total.orElse(0));
            admission.admit(total);
            long done = 0;
            try (FileChannel file = FileChannel.open(target, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                for (Optional<List<ByteBuffer>> piece = next(address, body);
                        piece.isPresent();
                        piece = next(address, body)) {
                    for (ByteBuffer bytes : piece.get()) {
                        done += bytes.remaining();
                        checkSize(address, done);
                        digest.update(bytes.duplicate());
                        while (bytes.hasRemaining()) {
                            file.write(bytes);
                        }
                    }
                    progress.at(done, total);
                    if (System.nanoTime() - startNanos > longest.toNanos()) {
                        throw retryLater(address, "takes longer than " + longest.toMinutes() + " min", null);
                    }
                }
            }
            if (total.isPresent() && done != total.getAsLong()) {
                throw retryLater(address, "ended after " + done + " of " + total.getAsLong() + " bytes", null);
            }
        }
    }

    private void checkSize(URI address, long bytes) throws PluginException {
        if (bytes > mostBytes) {
            throw new PluginException(
                    PluginException.Kind.REJECTED,
                    spoken(address) + " has more than the " + mostBytes + " bytes that are taken of it.");
        }
    }

    private HttpResponse<PieceByPiece> follow(URI address, Optional<Secret> token) throws PluginException {
        URI at = address;
        for (int i = 0; i <= MOST_REDIRECTIONS; i++) {
            HttpResponse<PieceByPiece> response = send(address, at, token);
            Optional<String> location = response.headers().firstValue("Location");
            if (!REDIRECTIONS.contains(response.statusCode()) || location.isEmpty()) {
                return response;
            }
            response.body().close();
            at = next(address, at, location.get());
        }
        throw new PluginException(
                PluginException.Kind.REJECTED,
                spoken(address) + " leads from one address to the next, and after " + MOST_REDIRECTIONS
                        + " still to no file; check the address.");
    }

    private static URI next(URI address, URI from, String location) throws PluginException {
        try {
            URI to = from.resolve(location);
            boolean secure = "https".equalsIgnoreCase(to.getScheme());
            boolean asBefore = from.getScheme().equalsIgnoreCase(to.getScheme());
            if ((secure || asBefore) && to.getHost() != null) {
                return to;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw new PluginException(
                PluginException.Kind.REJECTED,
                spoken(address) + " leads away from https, or to no address at all; check it.");
    }

    private HttpResponse<PieceByPiece> send(URI address, URI at, Optional<Secret> token) throws PluginException {
        HttpRequest.Builder request = HttpRequest.newBuilder(at);
        boolean atHome = at.getScheme().equalsIgnoreCase(address.getScheme())
                && at.getAuthority().equalsIgnoreCase(address.getAuthority());
        token.filter(secret -> atHome)
                .ifPresent(secret -> request.header("Authorization", "Bearer " + secret.reveal()));
        CompletableFuture<HttpResponse<PieceByPiece>> answer =
                http.sendAsync(request.build(), response -> new PieceByPiece());
        try {
            return answer.get(longestSilence.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw retryLater(address, silent(), e);
        } catch (ExecutionException e) {
            throw retryLater(address, "cannot be reached: " + reason(e.getCause()), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            answer.cancel(true);
            throw retryLater(address, "was not waited for", e);
        }
    }

    private Optional<List<ByteBuffer>> next(URI address, PieceByPiece body) throws PluginException {
        try {
            return body.next(longestSilence);
        } catch (TimeoutException e) {
            throw retryLater(address, silent(), e);
        } catch (IOException e) {
            throw retryLater(address, "broke off: " + reason(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw retryLater(address, "was not waited for", e);
        }
    }

    private String silent() {
        return "has sent nothing for " + longestSilence.toSeconds() + " s";
    }

    private static PluginException refused(URI address, HttpResponse<?> response) {
        int status = response.statusCode();
        boolean later = status >= SERVER_ERROR || status == TOO_MANY_REQUESTS;
        return new PluginException(
                later ? PluginException.Kind.RETRY_LATER : PluginException.Kind.REJECTED,
                spoken(address) + " answers with the status " + status + " in place of a file"
                        + (response.uri().equals(address) ? "" : ", at " + spoken(response.uri()))
                        + (later ? "; try again later." : "; check the address."));
    }

    private static PluginException retryLater(URI address, String what, Exception cause) {
        return new PluginException(
                PluginException.Kind.RETRY_LATER,
                spoken(address) + " " + what + ". Check the address and the network, and try again.",
                cause);
    }

    /** The client often gives the reason to the cause alone. */
    private static String reason(Throwable failure) {
        for (Throwable why = failure; why != null; why = why.getCause()) {
            if (why.getMessage() != null) {
                return why.getMessage();
            }
        }
        return failure.getClass().getSimpleName();
    }
}
