package io.forrest.github.embedded;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Clock;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * HTTP/1.1 on a port of the loopback interface, as much of it as runners and clients of a REST API need. A server of our
 * own, because others cannot be out of reach for a while, end in the middle of an answer, or tell a time that is not the
 * host's. Thread-safe.
 */
final class LoopbackServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LoopbackServer.class);
    private static final int BACKLOG = 64;

    private final Clock clock;
    private final Handler handler;
    private final InetSocketAddress address;
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "embedded-github");
        thread.setDaemon(true);
        return thread;
    });

    // Guarded by this.
    private Optional<ServerSocket> listening;

    /** Answers a request. If it does not, the connection ends. */
    @FunctionalInterface
    interface Handler {
        void handle(Exchange exchange) throws IOException, InterruptedException;
    }

    /** Begins to listen on a free port; {@code clock} is what its answers' {@code Date} shows. */
    LoopbackServer(Clock clock, Handler handler) throws IOException {
        this.clock = clock;
        this.handler = handler;
        ServerSocket server = listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        address = new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getLocalPort());
        listening = Optional.of(server);
    }

    int port() {
        return address.getPort();
    }

    private ServerSocket listen(InetSocketAddress at) throws IOException {
        ServerSocket server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(at, BACKLOG);
        threads.execute(() -> accept(server));
        return server;
    }

    private void accept(ServerSocket server) {
        while (!server.isClosed()) {
            try {
                Socket connection = server.accept();
                connections.add(connection);
                threads.execute(() -> serve(connection));
                if (server.isClosed()) {
                    close(connection);
                }
            } catch (IOException | RejectedExecutionException e) {
                LOG.debug("A connection to the embedded GitHub was not taken.", e);
            }
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            connection.setTcpNoDelay(true);
            InputStream in = new BufferedInputStream(connection.getInputStream());
            boolean goOn = true;
            while (goOn) {
                Optional<Exchange> exchange = Exchange.read(in, connection.getOutputStream(), clock);
                if (exchange.isPresent()) {
                    handler.handle(exchange.get());
                }
                goOn = exchange.filter(Exchange::keepsConnection).isPresent();
            }
        } catch (IOException e) {
            LOG.debug("A connection to the embedded GitHub has ended.", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            connections.remove(connection);
        }
    }

    /** Is out of reach from now on: connections end, and new ones are refused. */
    synchronized void goDown() {
        listening.ifPresent(LoopbackServer::close);
        listening = Optional.empty();
        connections.forEach(LoopbackServer::close);
    }

    /** Can be reached again, at the same address. */
    synchronized void comeUp() throws IOException {
        if (listening.isEmpty()) {
            listening = Optional.of(listen(address));
        }
    }

    private static void close(Closeable socket) {
        try {
            socket.close();
        } catch (IOException e) {
            LOG.debug("Closing a socket of the embedded GitHub failed.", e);
        }
    }

    @Override
    public void close() {
        goDown();
        threads.shutdownNow();
    }
}
