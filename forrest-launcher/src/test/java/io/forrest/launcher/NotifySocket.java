package io.forrest.launcher;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import jnr.ffi.LibraryLoader;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;
import jnr.ffi.types.size_t;

/** systemd's end of sd_notify(3): a Unix datagram socket. */
final class NotifySocket implements AutoCloseable {
    private static final short AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOL_SOCKET = 1;
    private static final int SO_RCVTIMEO = 20;

    private final Calls libc = LibraryLoader.create(Calls.class).load("c");
    private final int descriptor;

    /** Public because the class that JNR makes of it lives elsewhere. */
    public interface Calls {
        int socket(int domain, int type, int protocol);

        int bind(int socket, @In byte[] address, int addressLength);

        int setsockopt(int socket, int level, int option, @In byte[] value, int valueLength);

        long recv(int socket, @Out byte[] bytes, @size_t long length, int flags);

        int close(int descriptor);
    }

    /** Waits for at most a minute for each message. */
    NotifySocket(Path path) {
        descriptor = libc.socket(AF_UNIX, SOCK_DGRAM, 0);
        byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
        byte[] address = ByteBuffer.allocate(2 + name.length)
                .order(ByteOrder.nativeOrder())
                .putShort(AF_UNIX)
                .put(name)
                .array();
        byte[] minute = ByteBuffer.allocate(16)
                .order(ByteOrder.nativeOrder())
                .putLong(60)
                .putLong(0)
                .array();
        if (libc.bind(descriptor, address, address.length) != 0
                || libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, minute, minute.length) != 0) {
            throw new IllegalStateException("cannot listen on " + path);
        }
    }

    /** The next message. */
    String receive() {
        byte[] bytes = new byte[256];
        long length = libc.recv(descriptor, bytes, bytes.length, 0);
        if (length < 0) {
            throw new AssertionError("nothing came within a minute");
        }
        return new String(bytes, 0, (int) length, StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        libc.close(descriptor);
    }
}
