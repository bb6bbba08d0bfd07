package io.forrest.launcher;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import jnr.ffi.LibraryLoader;
import jnr.ffi.annotations.In;
import jnr.ffi.types.size_t;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells systemd how a service of {@code Type=notify} is doing, by sd_notify(3)'s protocol: a datagram to the Unix socket
 * that {@code NOTIFY_SOCKET} names. Does nothing without one. Never fails: the service is not worse for it.
 *
 * <p>WHY NATIVE: the JDK has no Unix datagram sockets, and systemd believes only the main process, not a helper program
 * that it would start. SAFE BECAUSE: JNR copies both arrays, whose lengths are passed as they are; no pointer is kept.
 */
final class SystemdNotify {
    private static final Logger LOG = LoggerFactory.getLogger(SystemdNotify.class);
    private static final short AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MOST_PATH_BYTES = 107;

    private final Optional<String> socket;

    /** Public because the class that JNR makes of it lives elsewhere. */
    public interface Calls {
        int socket(int domain, int type, int protocol);

        long sendto(
                int socket, @In byte[] bytes, @size_t long length, int flags, @In byte[] address, int addressLength);

        int close(int descriptor);
    }

    /** {@code socket} is the value of {@code NOTIFY_SOCKET}. */
    SystemdNotify(Optional<String> socket) {
        this.socket = socket.filter(path -> path.startsWith("/") || path.startsWith("@"));
    }

    static SystemdNotify fromEnvironment() {
        return new SystemdNotify(Optional.ofNullable(System.getenv("NOTIFY_SOCKET")));
    }

    /** The API listens, jobs are taken. */
    void ready() {
        send("READY=1");
    }

    void stopping() {
        send("STOPPING=1");
    }

    private void send(String state) {
        if (socket.isEmpty()) {
            return;
        }
        byte[] path = socket.get().getBytes(StandardCharsets.UTF_8);
        if (path.length > MOST_PATH_BYTES) {
            LOG.warn("NOTIFY_SOCKET is longer than a socket's path can be; systemd is not told \"{}\".", state);
            return;
        }
        if (path[0] == '@') {
            // An abstract socket, whose name begins with a NUL.
            path[0] = 0;
        }
        byte[] address = ByteBuffer.allocate(2 + path.length)
                .order(ByteOrder.nativeOrder())
                .putShort(AF_UNIX)
                .put(path)
                .array();
        byte[] bytes = state.getBytes(StandardCharsets.UTF_8);
        Calls libc = LibraryLoader.create(Calls.class).load("c");
        int descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (descriptor < 0
                || libc.sendto(descriptor, bytes, bytes.length, MSG_NOSIGNAL, address, address.length)
                        != bytes.length) {
            LOG.warn("systemd could not be told \"{}\" on {}.", state, socket.get());
        }
        if (descriptor >= 0) {
            libc.close(descriptor);
        }
    }
}
