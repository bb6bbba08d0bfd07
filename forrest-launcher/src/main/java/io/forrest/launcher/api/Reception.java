package io.forrest.launcher.api;

import io.forrest.artifacts.ArtifactException;
import io.forrest.artifacts.ArtifactRequest;
import io.forrest.artifacts.ArtifactUpload;
import io.forrest.artifacts.Artifacts;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.Invocable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One upload on its way in: written as it comes, in what memory the server reads it into. It has a thread only while there is
 * something to write, one after the other.
 */
final class Reception {
    private static final Logger LOG = LoggerFactory.getLogger(Reception.class);

    /** Then others have their turn, if any wait for one. */
    private static final long TURN_BYTES = 8 << 20;

    /**
     * How much of a refused body is still taken in. A client that is cut off in the middle of sending may never see the answer
     * (RFC 9112, 9.6); one that sends gigabytes is.
     */
    private static final long MOST_DRAINED_BYTES = 64 << 20;

    private static final Duration LONGEST_DRAIN = Duration.ofSeconds(10);

    private final Request request;
    private final Response response;
    private final Callback callback;
    private final Executor threads;

    // Touched by one thread after the other: each is only given its turn when the one before has nothing more to do.
    private ArtifactUpload upload;
    private String path;
    private long drainedBytes;
    private long drainBeganNanos;

    /** Whether it is the client that lets us wait, and not the disk. */
    private volatile boolean waitsForClient;

    Reception(Request request, Response response, Callback callback, Executor threads) {
        this.request = request;
        this.response = response;
        this.callback = callback;
        this.threads = threads;
        request.addIdleTimeoutListener(timeout -> waitsForClient);
    }

    /** Blocks for the disk. {@code rawPath} is what the client called it. */
    void begin(Artifacts artifacts, ArtifactRequest wanted, String rawPath) {
        path = rawPath;
        try {
            upload = artifacts.begin(wanted);
        } catch (ArtifactException e) {
            refuse(e);
            return;
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: an upload could not begin.", e);
            refuse(500, "There is a bug in Forrest.");
            return;
        }
        receive();
    }

    private void receive() {
        try {
            waitsForClient = false;
            for (long written = 0; written < TURN_BYTES; ) {
                Content.Chunk chunk = request.read();
                if (chunk == null) {
                    waitsForClient = true;
                    request.demand(nextTurn(this::receive, this::abandon));
                    return;
                }
                if (Content.Chunk.isFailure(chunk)) {
                    LOG.debug("An upload of {} was cut off.", path, chunk.getFailure());
                    upload.close();
                    callback.failed(chunk.getFailure());
                    return;
                }
                written += chunk.remaining();
                try {
                    upload.write(chunk.getByteBuffer());
                } finally {
                    chunk.release();
                }
                if (chunk.isLast()) {
                    complete();
                    return;
                }
            }
            nextTurn(this::receive, this::abandon).run();
        } catch (ArtifactException e) {
            upload.close();
            refuse(e);
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: an upload was broken off.", e);
            upload.close();
            callback.failed(e);
        }
    }

    private void complete() throws ArtifactException {
        upload.complete();
        response.setStatus(201);
        response.getHeaders().put(HttpHeader.CONTENT_LOCATION, upload.storeUrl() + path);
        callback.succeeded();
    }

    private void abandon() {
        upload.close();
        callback.failed(new IOException("Forrest is ending"));
    }

    /** Has {@code work} done on a thread for it, or {@code otherwise} here if there are none any more. */
    private Invocable.Task nextTurn(Runnable work, Runnable otherwise) {
        return Invocable.from(Invocable.InvocationType.NON_BLOCKING, () -> {
            try {
                threads.execute(work);
            } catch (RejectedExecutionException e) {
                otherwise.run();
            }
        });
    }

    void refuse(ArtifactException reason) {
        int status =
                switch (reason.kind()) {
                    case BAD_PATH -> 400;
                    case UNKNOWN -> 404;
                    case QUOTA, FAILED -> 500;
                    case BUSY -> 503;
                };
        refuse(status, reason.getMessage());
    }

    /** Answers, and takes in some of what else is sent. From any thread; does not block. */
    void refuse(int status, String line) {
        boolean nothingIsSent = request.getLength() == 0 || request.getHeaders().contains(HttpHeader.EXPECT);
        Runnable afterwards = nothingIsSent
                ? callback::succeeded
                : () -> {
                    drainBeganNanos = System.nanoTime();
                    nextTurn(this::drain, callback::succeeded).run();
                };
        Answers.text(response, Callback.from(afterwards, callback::failed), status, line);
    }

    private void drain() {
        while (drainedBytes < MOST_DRAINED_BYTES && System.nanoTime() - drainBeganNanos < LONGEST_DRAIN.toNanos()) {
            Content.Chunk chunk = request.read();
            if (chunk == null) {
                waitsForClient = true;
                request.demand(nextTurn(this::drain, callback::succeeded));
                return;
            }
            drainedBytes += chunk.remaining();
            chunk.release();
            if (Content.Chunk.isFailure(chunk) || chunk.isLast()) {
                break;
            }
        }
        callback.succeeded();
    }
}
