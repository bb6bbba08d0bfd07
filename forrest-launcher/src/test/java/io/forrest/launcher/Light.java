package io.forrest.launcher;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/** What jobs wait for: an HTTP server that says no until it is green. Guests reach it at 10.0.2.2. */
final class Light implements AutoCloseable {
    private final HttpServer server;
    private volatile boolean green;

    Light() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(green ? 200 : 404, -1);
            exchange.close();
        });
        server.start();
    }

    /** A shell command that ends when the light is green. */
    String waiting() {
        return "until wget -q -O /dev/null http://10.0.2.2:"
                + server.getAddress().getPort() + "/; do sleep 1; done";
    }

    void turnGreen() {
        green = true;
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
