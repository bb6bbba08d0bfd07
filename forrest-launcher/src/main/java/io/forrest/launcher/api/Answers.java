package io.forrest.launcher.api;

import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** Whole answers. They return true, as a handler does that takes care of a request. */
final class Answers {
    private Answers() {}

    /** One line for people; none with the status 204. */
    static boolean text(Response response, Callback callback, int status, String line) {
        if (status == 204) {
            response.setStatus(status);
            callback.succeeded();
            return true;
        }
        return send(response, callback, status, "text/plain;charset=utf-8", line);
    }

    static boolean json(Response response, Callback callback, int status, String document) {
        return send(response, callback, status, "application/json", document);
    }

    private static boolean send(Response response, Callback callback, int status, String type, String body) {
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
        Content.Sink.write(response, true, body + "\n", callback);
        return true;
    }
}
