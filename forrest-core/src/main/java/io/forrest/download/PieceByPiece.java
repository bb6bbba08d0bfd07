package io.forrest.download;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The body of a response, of which no more is read than was asked for. The JDK's own stream of it waits for ever for a server
 * that has gone silent.
 */
final class PieceByPiece implements HttpResponse.BodySubscriber<PieceByPiece>, AutoCloseable {
    private final CompletableFuture<PieceByPiece> begun = new CompletableFuture<>();
    private final BlockingQueue<Optional<List<ByteBuffer>>> pieces = new LinkedBlockingQueue<>();

    /** Written before the queue's end is queued. */
    private volatile Throwable failure;

    private volatile Flow.Subscription subscription;

    @Override
    public CompletionStage<PieceByPiece> getBody() {
        return begun;
    }

    @Override
    public void onSubscribe(Flow.Subscription to) {
        subscription = to;
        begun.complete(this);
    }

    @Override
    public void onNext(List<ByteBuffer> piece) {
        pieces.add(Optional.of(piece));
    }

    @Override
    public void onError(Throwable error) {
        failure = error;
        pieces.add(Optional.empty());
    }

    @Override
    public void onComplete() {
        pieces.add(Optional.empty());
    }

    /**
     * Waits for what comes next; empty once all has come.
     *
     * @throws TimeoutException if nothing comes for so long
     * @throws IOException if the connection broke
     */
    Optional<List<ByteBuffer>> next(Duration atMost) throws InterruptedException, TimeoutException, IOException {
        subscription.request(1);
        Optional<List<ByteBuffer>> piece = pieces.poll(atMost.toMillis(), TimeUnit.MILLISECONDS);
        if (piece == null) {
            throw new TimeoutException("nothing came");
        }
        if (piece.isEmpty() && failure != null) {
            throw new IOException(failure.getMessage(), failure);
        }
        return piece;
    }

    /** Reads no more of it. */
    @Override
    public void close() {
        subscription.cancel();
    }
}
