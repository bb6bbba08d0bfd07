package io.forrest.vm.qemu;

import io.forrest.spi.PluginException;
import io.forrest.spi.VmSpec;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The TPM of a VM: a swtpm process beside QEMU, in a session of its own and in the run directory, as QEMU is.
 *
 * <p>It ends by itself when QEMU does, however that ends, since it is told to end with its first connection.
 */
final class Swtpm {
    private static final Logger LOG = LoggerFactory.getLogger(Swtpm.class);

    /** Where it takes commands and QEMU gives it the TPM's connection, in the run directory. */
    static final String SOCKET = "swtpm.ctrl";

    /** What it says, in the run directory. */
    static final String OUTPUT = "swtpm.log";

    /** The argument that names {@link #SOCKET}. */
    static final String CONTROL = "type=unixio,path=" + SOCKET;

    private static final Duration LOOK_AGAIN = Duration.ofMillis(10);
    private static final Duration LONGEST_END = Duration.ofSeconds(5);

    /** {@code CMD_GET_CAPABILITY} (swtpm_ioctls(3)), which changes nothing and can be asked at any time. */
    private static final byte[] ASK_CAPABILITY = {0, 0, 0, 1};

    private static final int CAPABILITY_BYTES = 8;

    /**
     * What swtpm's linear files begin with: the number 0x737774706d6c696e, lowest byte first
     * ({@code swtpm_nvstore_linear.h}). An empty file is a TPM that is new.
     */
    private static final byte[] MAGIC = "nilmptws".getBytes(StandardCharsets.US_ASCII);

    private Swtpm() {}

    /** The argument that says where it puts what it says, and with what before it. */
    static String log(String machine) {
        return "file=" + OUTPUT + ",prefix=" + machine + ": ";
    }

    /** The arguments for one that starts in its run directory. */
    static List<String> arguments(VmSpec spec, Path state) {
        return List.of(
                "socket",
                "--tpm2",
                "--tpmstate",
                "backend-uri=file://" + QemuCommandLine.shortest(spec, state),
                "--ctrl",
                CONTROL,
                "--log",
                log(spec.machine().runnerName()),
                "--terminate");
    }

    /**
     * Starts it, and returns once it answers. On failure nothing of it runs any more.
     *
     * @throws PluginException {@code REJECTED} if the state is none; {@code BROKEN} if swtpm does not start, or not answer
     *     within {@code longest}
     */
    static VmProcess start(QemuSettings settings, SystemdScope scope, VmSpec spec, Path state, Duration longest)
            throws PluginException {
        checkState(state);
        Path runDirectory = spec.runDirectory();
        List<String> line = new ArrayList<>(scope.tpmLauncher(spec.machine().runnerName()));
        line.add("setsid");
        line.add(settings.swtpm());
        line.addAll(arguments(spec, state));
        VmProcess process;
        try {
            process = VmProcess.ofChild(new ProcessBuilder(line)
                    .directory(runDirectory.toFile())
                    .redirectInput(new File("/dev/null"))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(
                            runDirectory.resolve(OUTPUT).toFile()))
                    .start());
        } catch (IOException e) {
            throw failed("cannot be started: " + e.getMessage(), e);
        }
        boolean ready = false;
        try {
            awaitAnswer(runDirectory, process, longest);
            ready = true;
            return process;
        } catch (IOException e) {
            throw failed(e.getMessage() + LastWords.of(runDirectory.resolve(OUTPUT)), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PluginException(PluginException.Kind.RETRY_LATER, "interrupted while a TPM was started", e);
        } finally {
            if (!ready) {
                end(runDirectory, process);
            }
        }
    }

    /** swtpm would make a new TPM of anything else, without a word, and the guest would miss its keys. */
    private static void checkState(Path state) throws PluginException {
        try (InputStream file = Files.newInputStream(state)) {
            byte[] start = file.readNBytes(MAGIC.length);
            if (start.length > 0 && !Arrays.equals(start, MAGIC)) {
                throw new PluginException(
                        PluginException.Kind.REJECTED,
                        "its TPM state is no linear file of swtpm; make one with swtpm_setup --tpm2 --tpmstate file://FILE");
            }
        } catch (IOException e) {
            throw new PluginException(PluginException.Kind.BROKEN, "its TPM state cannot be read: " + e, e);
        }
    }

    private static PluginException failed(String how, Exception cause) {
        return new PluginException(
                PluginException.Kind.BROKEN,
                "its TPM " + how + " (is swtpm installed, and may it write in the run directory?)",
                cause);
    }

    private static void awaitAnswer(Path runDirectory, VmProcess process, Duration longest)
            throws IOException, InterruptedException {
        long deadlineNanos = System.nanoTime() + longest.toNanos();
        IOException lastFailure = new IOException("not tried");
        while (System.nanoTime() < deadlineNanos) {
            if (process.awaitEnd(LOOK_AGAIN)) {
                throw new IOException("ended"
                        + (process.exitCode().isPresent()
                                ? " with " + process.exitCode().getAsInt()
                                : ""));
            }
            try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                RunSocket.connect(channel, runDirectory, SOCKET);
                channel.configureBlocking(false);
                channel.write(ByteBuffer.wrap(ASK_CAPABILITY));
                ByteBuffer answer = ByteBuffer.allocate(CAPABILITY_BYTES);
                while (System.nanoTime() < deadlineNanos && !process.awaitEnd(LOOK_AGAIN)) {
                    if (channel.read(answer) < 0) {
                        throw new EOFException("it closed the connection");
                    }
                    if (!answer.hasRemaining()) {
                        return;
                    }
                }
            } catch (IOException e) {
                lastFailure = e;
            }
        }
        throw new IOException("does not answer within " + longest.toSeconds() + " s", lastFailure);
    }

    /** Ends it, now that its VM is none any more, or has not become one; nobody needs what it would still write. */
    static void end(Path runDirectory, VmProcess process) {
        try {
            process.kill();
            if (!process.awaitEnd(LONGEST_END)) {
                LOG.warn("The TPM in {} (process {}) does not end.", runDirectory, process.id());
            }
            Files.deleteIfExists(runDirectory.resolve(SOCKET));
        } catch (IOException e) {
            LOG.debug("The socket of a TPM stays in {}.", runDirectory, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends one that is left in a run directory whose VM has ended, or never came to be. */
    static void endLeftOver(Path runDirectory, String binary) throws IOException {
        VmProcess.findTpm(runDirectory, binary).ifPresent(process -> {
            LOG.info("A TPM without a VM is ended in {}.", runDirectory);
            end(runDirectory, process);
        });
    }
}
