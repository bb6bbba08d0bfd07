package io.forrest.launcher.api;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.unixdomain.server.UnixDomainServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The HTTP server before a handler: a Unix socket, and optionally a TCP port. */
public final class ApiServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

    private static final int MOST_THREADS = 16;
    private static final int FEWEST_THREADS = 2;

    /** On the socket, and again on the port: whoever reaches the port, guests for one, must not fill up the socket. */
    private static final int MOST_CONNECTIONS = 256;

    /** For each connection that is sending: artifacts come in pieces of this size, and so do their writes. */
    private static final int INPUT_BUFFER_BYTES = 128 << 10;

    private static final Duration IDLE_TIMEOUT = Duration.ofSeconds(30);

    /**
     * Where the socket is made, beside its place: nobody else gets in here before it has its mode. No longer than {@code
     * api.sock}, so that what fits there fits here.
     */
    private static final String NURSERY = ".sock";

    private static final String NEWBORN = "s";

    private final Path socket;
    private final Path newborn;
    private final Clients clients;
    private final Server server;
    private final Optional<ServerConnector> tcp;

    /** Whether the socket is this server's: whoever could not listen must not remove that of another. */
    private volatile boolean socketIsOurs;

    /** Who may connect to the Unix socket. */
    public enum Clients {
        /** For nginx, which runs as a user of its own; what it may ask for is decided by signatures. */
        EVERYBODY("rwxrwxrwx"),
        /** This process's user, and root. */
        OWNER("rw-------");

        private final String mode;

        Clients(String mode) {
            this.mode = mode;
        }
    }

    /**
     * Opens nothing yet.
     *
     * @param socket where the Unix socket will be
     * @param listen where to listen on TCP, too
     * @param handlers the first that takes care of a request gets it
     */
    public ApiServer(Path socket, Clients clients, Optional<InetSocketAddress> listen, Handler... handlers) {
        this(socket, clients, listen, IDLE_TIMEOUT, handlers);
    }

    ApiServer(
            Path socket,
            Clients clients,
            Optional<InetSocketAddress> listen,
            Duration idleTimeout,
            Handler... handlers) {
        this.socket = socket;
        this.newborn = socket.resolveSibling(NURSERY).resolve(NEWBORN);
        this.clients = clients;
        QueuedThreadPool threads = new QueuedThreadPool(MOST_THREADS, FEWEST_THREADS);
        threads.setName("forrest-api");
        threads.setDaemon(true);
        server = new Server(threads);
        HttpConfiguration http = new HttpConfiguration();
        http.setSendServerVersion(false);
        // What could be understood in two ways is understood by whoever is asked: none goes by Jetty's own reading
        // alone.
        Set<UriCompliance.Violation> left = EnumSet.copyOf(UriCompliance.AMBIGUOUS_VIOLATIONS);
        left.add(UriCompliance.Violation.SUSPICIOUS_PATH_CHARACTERS);
        http.setUriCompliance(UriCompliance.from(left));
        UnixDomainServerConnector unix = new UnixDomainServerConnector(server, 1, 1, connections(http));
        unix.setUnixDomainPath(newborn);
        unix.setIdleTimeout(idleTimeout.toMillis());
        server.addConnector(unix);
        server.addBean(new NetworkConnectionLimit(MOST_CONNECTIONS, unix));
        tcp = listen.map(address -> {
            ServerConnector connector = new ServerConnector(server, 1, 1, connections(http));
            connector.setHost(address.getHostString());
            connector.setPort(address.getPort());
            connector.setIdleTimeout(idleTimeout.toMillis());
            server.addConnector(connector);
            server.addBean(new NetworkConnectionLimit(MOST_CONNECTIONS, connector));
            return connector;
        });
        server.setHandler(new Handler.Sequence(handlers));
    }

    private static HttpConnectionFactory connections(HttpConfiguration http) {
        HttpConnectionFactory connections = new HttpConnectionFactory(http);
        connections.setInputBufferSize(INPUT_BUFFER_BYTES);
        return connections;
    }

    /** Listens; returns once requests are taken. Throws with one line that says where it cannot listen, and why. */
    public void start() throws IOException {
        removeStaleSocket();
        try {
            prepareNursery();
            server.start();
            Files.setPosixFilePermissions(newborn, PosixFilePermissions.fromString(clients.mode));
            Files.move(newborn, socket, StandardCopyOption.ATOMIC_MOVE);
            socketIsOurs = true;
            Files.delete(newborn.getParent());
        } catch (IOException e) {
            close();
            throw new IOException("The API cannot listen on " + where() + ": " + reason(e) + ".", e);
        } catch (Exception e) {
            close();
            throw new IOException("The API cannot be started: " + reason(e) + ".", e);
        }
        LOG.info("The API listens on {}.", where());
    }

    /** A killed Forrest may have left it, in the middle of its start. */
    private void prepareNursery() throws IOException {
        Path nursery = newborn.getParent();
        Files.deleteIfExists(newborn);
        Files.deleteIfExists(nursery);
        Files.createDirectory(
                nursery, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    private String where() {
        return socket
                + tcp.map(connector -> " and " + connector.getHost() + ":" + boundPort(connector))
                        .orElse("");
    }

    private static int boundPort(ServerConnector connector) {
        return connector.getLocalPort() > 0 ? connector.getLocalPort() : connector.getPort();
    }

    private static String reason(Exception e) {
        return e.getCause() == null
                ? e.getMessage()
                : e.getMessage() + " (" + e.getCause().getMessage() + ")";
    }

    /**
     * A killed Forrest leaves its socket behind, on which nobody can listen again. One that answers is not stale: the
     * lock on the base directory has kept out another Forrest, so it belongs to something else.
     */
    private void removeStaleSocket() throws IOException {
        // The longest path that fits into a socket's address, with its NUL.
        if (socket.toString().length() >= UnixDomainServerConnector.MAX_UNIX_DOMAIN_PATH_LENGTH) {
            throw new IOException("The path of the API's socket, " + socket + ", has "
                    + socket.toString().length() + " characters; Linux allows "
                    + (UnixDomainServerConnector.MAX_UNIX_DOMAIN_PATH_LENGTH - 1)
                    + ". Choose a shorter host.base_dir.");
        }
        if (!Files.exists(socket)) {
            return;
        }
        try (SocketChannel answers = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            throw new IOException("The API cannot listen on " + socket + ": another program does (" + answers + ").");
        } catch (java.net.ConnectException e) {
            Files.deleteIfExists(socket);
        }
    }

    /** The TCP port it listens on, once started; empty without {@code listen}. */
    public Optional<Integer> port() {
        return tcp.map(ServerConnector::getLocalPort);
    }

    /** Takes no more requests, and removes its socket. A second call does nothing. */
    @Override
    public void close() {
        try {
            server.stop();
            if (socketIsOurs) {
                socketIsOurs = false;
                Files.deleteIfExists(socket);
            }
        } catch (Exception e) {
            LOG.warn("The API did not end in order.", e);
        }
    }
}
