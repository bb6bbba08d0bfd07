package io.forrest.launcher.demo;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The root shell on a guest's second serial port. One thread. */
final class GuestShell implements AutoCloseable {
    private final SocketChannel channel;
    private final Selector selector;
    private int questions;

    private GuestShell(SocketChannel channel, Selector selector) {
        this.channel = channel;
        this.selector = selector;
    }

    static GuestShell connect(Path socket) throws IOException {
        // The address of a socket has room for 107 bytes, so it is reached by a short detour.
        Path detour = Files.createTempDirectory("forrest-shell");
        Path link = Files.createSymbolicLink(detour.resolve("d"), socket.getParent());
        try {
            SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(link.resolve(socket.getFileName())));
            channel.configureBlocking(false);
            Selector selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
            return new GuestShell(channel, selector);
        } finally {
            Files.delete(link);
            Files.delete(detour);
        }
    }

    /**
     * Runs a command and returns what it printed, without white space around it. The terminal echoes what is typed, so
     * the answer is found between two marks that the shell puts together from parts.
     */
    String ask(String command, Duration atMost) throws IOException {
        int number = ++questions;
        String line = "\necho be''gin" + number + "; " + command + "; echo e''nd" + number + "\n";
        ByteBuffer request = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
        while (request.hasRemaining()) {
            channel.write(request);
        }
        Pattern answer = Pattern.compile("begin" + number + "\\s+(.*?)\\s*end" + number, Pattern.DOTALL);
        StringBuilder heard = new StringBuilder();
        ByteBuffer buffer = ByteBuffer.allocate(4096);
        long deadlineNanos = System.nanoTime() + atMost.toNanos();
        while (true) {
            Matcher matcher = answer.matcher(heard);
            if (matcher.find()) {
                return matcher.group(1).strip();
            }
            long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0 || selector.select(leftMillis) == 0) {
                throw new IOException("the guest's shell did not answer \"" + command + "\" within "
                        + atMost.toSeconds() + " s; it said: " + heard);
            }
            selector.selectedKeys().clear();
            buffer.clear();
            if (channel.read(buffer) < 0) {
                throw new IOException("the guest's shell is gone; it said: " + heard);
            }
            heard.append(StandardCharsets.ISO_8859_1.decode(buffer.flip()));
        }
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
