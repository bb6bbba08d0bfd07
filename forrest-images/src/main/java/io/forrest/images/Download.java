package io.forrest.images;

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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Fetches a file by http or https, however large it is and however long it takes, as long as bytes arrive. */
final class Download {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(20);
    private static final int OK = 200;
    private static final int SERVER_ERROR = 500;
    private static final int TOO_MANY_REQUESTS = 429;

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            // Never from https to http.
            .followRedirects(HttpClient.Redirect.NORMAL)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();
    private final Duration longestSilence;

    /** {@code longestSilence}: without a byte for so long, a server is given up. */
    Download(Duration longestSilence) {
        this.longestSilence = longestSilence;
    }

    /** Says no before the download begins, if there is no room for it. */
    interface Admission {
        void admit(OptionalLong totalBytes) throws IOException, PluginException;
    }

    /**
     * Writes what is at {@code address} to {@code target} and passes it to {@code digest} as it comes.
     *
     * @throws IOException if the target cannot be written
     * @throws PluginException if the server cannot be reached, refuses, or breaks off
     */
    void fetch(URI address, Path target, MessageDigest digest, Admission admission, ImportProgress progress)
            throws IOException, PluginException {
        HttpResponse<PieceByPiece> response = send(address);
        try (PieceByPiece body = response.body()) {
            if (response.statusCode() != OK) {
                throw refused(address, response);
            }
            OptionalLong total = response.headers().firstValueAsLong("Content-Length");
            admission.admit(total);
            long done = 0;
            try (FileChannel file = FileChannel.open(target, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                for (Optional<List<ByteBuffer>> piece = next(address, body);
                        piece.isPresent();
                        piece = next(address, body)) {
                    for (ByteBuffer bytes : piece.get()) {
                        done += bytes.remaining();
                        digest.update(bytes.duplicate());
                        while (bytes.hasRemaining()) {
                            file.write(bytes);
                        }
                    }
                    progress.at(ImportProgress.Step.DOWNLOAD, done, total);
                }
            }
            if (total.isPresent() && done != total.getAsLong()) {
                throw retryLater(address, "ended after " + done + " of " + total.getAsLong() + " bytes", null);
            }
        }
    }

    private HttpResponse<PieceByPiece> send(URI address) throws PluginException {
        HttpRequest request = HttpRequest.newBuilder(address).build();
        CompletableFuture<HttpResponse<PieceByPiece>> answer = http.sendAsync(request, response -> new PieceByPiece());
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
                ImageSource.spoken(address) + " answers with the status " + status + " in place of an image"
                        + (response.uri().equals(address) ? "" : ", at " + ImageSource.spoken(response.uri()))
                        + (later ? "; try again later." : "; check the address."));
    }

    private static PluginException retryLater(URI address, String what, Exception cause) {
        return new PluginException(
                PluginException.Kind.RETRY_LATER,
                ImageSource.spoken(address) + " " + what + ". Check the address and the network, and try again.",
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
