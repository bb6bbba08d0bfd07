package io.forrest.vm.qemu;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Unix sockets in run directories, whose paths may be longer than the address of a socket. */
final class RunSocket {
    /** How many bytes such an address may have for Java; for the kernel it is one more. */
    private static final int MOST_PATH_BYTES = 106;

    private RunSocket() {}

    /** Connects {@code channel} to the socket {@code name} in {@code runDirectory}; waits while that one's queue is full. */
    static void connect(SocketChannel channel, Path runDirectory, String name) throws IOException {
        Path socket = runDirectory.resolve(name);
        if (!Files.exists(socket)) {
            throw new NoSuchFileException(socket.toString());
        }
        if (socket.toString().getBytes(StandardCharsets.UTF_8).length <= MOST_PATH_BYTES) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            return;
        }
        Path detour = Files.createTempDirectory("forrest-socket");
        Path link = detour.resolve("d");
        try {
            Files.createSymbolicLink(link, runDirectory);
            channel.connect(UnixDomainSocketAddress.of(link.resolve(name)));
        } finally {
            Files.deleteIfExists(link);
            Files.deleteIfExists(detour);
        }
    }
}
