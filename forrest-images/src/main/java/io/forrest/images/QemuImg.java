package io.forrest.images;

import io.forrest.spi.PluginException;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.DoubleConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * QEMU's program for disk images. It is always told the format: left to guess, it believes whatever a guest wrote to the
 * beginning of its disk. Used by one thread, and closed by any.
 */
final class QemuImg implements AutoCloseable {
    private static final Pattern PERCENT = Pattern.compile("\\s*\\(([0-9.]+)/100%\\)\\s*");
    private static final Pattern REQUIRED = Pattern.compile("required size: ([0-9]+)");

    // Guarded by this.
    private Process running;
    private boolean closed;

    /** How many bytes of data a raw copy of the qcow2 file has; empty if this QEMU cannot tell. */
    OptionalLong bytesAsRaw(Path qcow2) throws IOException, PluginException {
        StringBuilder said = new StringBuilder();
        run(
                List.of(
                        "measure",
                        "-f",
                        "qcow2",
                        "-O",
                        "raw",
                        qcow2.toAbsolutePath().toString()),
                line -> said.append(line).append('\n'));
        Matcher required = REQUIRED.matcher(said);
        return required.find() ? OptionalLong.of(Long.parseLong(required.group(1))) : OptionalLong.empty();
    }

    /**
     * Writes the disk that is in the qcow2 file to {@code raw}, which is there in part on failure.
     *
     * @param progress is told the fraction that is done, from 0 to 1
     */
    void convert(Path qcow2, Path raw, DoubleConsumer progress) throws IOException, PluginException {
        List<String> arguments = List.of(
                "convert",
                "-p",
                "-f",
                "qcow2",
                "-O",
                "raw",
                // Small holes are worth less than a clone with few extents.
                "-S",
                Integer.toString(SparseCopier.BLOCK_BYTES),
                // An absolute path is not taken for a protocol.
                qcow2.toAbsolutePath().toString(),
                raw.toAbsolutePath().toString());
        run(arguments, line -> {
            Matcher percent = PERCENT.matcher(line);
            if (percent.matches()) {
                progress.accept(Double.parseDouble(percent.group(1)) / 100);
            }
        });
    }

    /** What {@code qemu-img} prints, ended by a new line or by a return to the line's beginning. */
    private interface Lines {
        void line(String text);
    }

    private void run(List<String> arguments, Lines lines) throws IOException, PluginException {
        List<String> command = new ArrayList<>(List.of(program().toString()));
        command.addAll(arguments);
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectInput(new File("/dev/null"));
        Process process = start(builder);
        StringBuilder complaints = new StringBuilder();
        boolean ended = false;
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            // Readers of lines take both ends of a line.
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                lines.line(line);
                if (!PERCENT.matcher(line).matches() && !line.isBlank()) {
                    complaints.append(complaints.isEmpty() ? "" : " ").append(line.strip());
                }
            }
            int code = process.waitFor();
            ended = true;
            if (code != 0) {
                throw new IOException(complaints.isEmpty() ? "qemu-img ended with " + code : complaints.toString());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } finally {
            if (!ended) {
                process.destroyForcibly();
            }
        }
    }

    private synchronized Process start(ProcessBuilder builder) throws IOException {
        if (closed) {
            throw new IOException("this process is ending");
        }
        running = builder.start();
        return running;
    }

    private static Path program() throws PluginException {
        return Stream.of((System.getenv("PATH") + ":/usr/bin:/usr/local/bin").split(File.pathSeparator, -1))
                .map(directory -> Path.of(directory).resolve("qemu-img"))
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(() -> new PluginException(
                        PluginException.Kind.BROKEN,
                        "There is no program qemu-img on this host, which qcow2 images need. Install it"
                                + " (Debian and Ubuntu: apt-get install qemu-utils), or import a raw image."));
    }

    /** Ends it where it is. */
    @Override
    public synchronized void close() {
        closed = true;
        if (running != null) {
            running.destroyForcibly();
        }
    }
}
