package io.forrest.github.embedded;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/**
 * Where webhooks go.
 *
 * @param address of the HTTP server
 * @param path of the request
 */
public record WebhookTarget(SocketAddress address, String path) {
    /** An address such as {@code http://127.0.0.1:8080/webhook}. */
    public static WebhookTarget http(URI uri) {
        return new WebhookTarget(new InetSocketAddress(uri.getHost(), uri.getPort()), uri.getPath());
    }

    SocketChannel open() throws IOException {
        return address instanceof UnixDomainSocketAddress
                ? SocketChannel.open(StandardProtocolFamily.UNIX)
                : SocketChannel.open();
    }

    /** {@code /webhook} on Forrest's API socket. */
    public static WebhookTarget unixSocket(Path socket) {
        return new WebhookTarget(UnixDomainSocketAddress.of(socket), "/webhook");
    }
}
