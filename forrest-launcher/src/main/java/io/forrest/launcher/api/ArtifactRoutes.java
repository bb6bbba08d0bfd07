package io.forrest.launcher.api;

import io.forrest.artifacts.ArtifactException;
import io.forrest.artifacts.ArtifactRequest;
import io.forrest.artifacts.Artifacts;
import io.forrest.domain.Secret;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Takes artifacts from guests: {@code PUT /artifact/<store>/<path>}; leaves all other requests alone. The disk is waited for
 * on threads of its own, so that the others go on answering; and none of them waits for a client.
 */
public final class ArtifactRoutes extends Handler.Abstract.NonBlocking {
    /** Uploads that have something to write at the same moment; more take turns. */
    private static final int THREADS = 16;

    private final Artifacts artifacts;
    private final ExecutorService threads;

    public ArtifactRoutes(Artifacts artifacts) {
        this.artifacts = artifacts;
        AtomicInteger count = new AtomicInteger();
        ThreadFactory factory = work -> {
            Thread thread = new Thread(work, "forrest-artifact-" + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
        threads = Executors.newFixedThreadPool(THREADS, factory);
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        String path = request.getHttpURI().getPath();
        if (path == null || !ArtifactAddress.isOne(path)) {
            return false;
        }
        Reception reception = new Reception(request, response, callback, threads);
        if (!request.getMethod().equals("PUT")) {
            response.getHeaders().put(HttpHeader.ALLOW, "PUT");
            reception.refuse(405, "An artifact is uploaded with PUT.");
            return true;
        }
        try {
            if (request.getHttpURI().getQuery() != null) {
                throw new ArtifactException(
                        ArtifactException.Kind.BAD_PATH, "A question mark in an artifact's path is sent as %3F.");
            }
            ArtifactAddress address = ArtifactAddress.parse(path);
            String[] words = Optional.ofNullable(request.getHeaders().get(HttpHeader.AUTHORIZATION))
                    .orElse("")
                    .strip()
                    .split("[ \t]+", -1);
            boolean bearer = words[0].equalsIgnoreCase("Bearer");
            ArtifactRequest wanted = new ArtifactRequest(
                    Secret.of(bearer && words.length > 1 ? words[1] : ""),
                    bearer && words.length > 2 ? Optional.of(Secret.of(words[2])) : Optional.empty(),
                    address.store(),
                    address.artifact(),
                    request.getLength() >= 0 ? OptionalLong.of(request.getLength()) : OptionalLong.empty());
            threads.execute(() -> reception.begin(artifacts, wanted, address.path()));
        } catch (ArtifactException e) {
            reception.refuse(e);
        } catch (RejectedExecutionException e) {
            reception.refuse(503, "Forrest is ending.");
        }
        return true;
    }

    @Override
    protected void doStop() throws Exception {
        threads.shutdown();
        super.doStop();
    }
}
