package io.forrest.vm.qemu;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.apache.commons.exec.CommandLine;
import org.apache.commons.exec.DaemonExecutor;
import org.apache.commons.exec.DefaultExecuteResultHandler;
import org.apache.commons.exec.PumpStreamHandler;

/**
 * What became of a program that was tried.
 *
 * @param exitCode empty if it was not over in time, and was killed
 * @param output all it said, stripped
 */
record ShortRun(OptionalInt exitCode, String output) {
    /** Runs a program for so long and no longer, however it hangs. Throws if it cannot be started. */
    static ShortRun of(List<String> line, Path directory, Duration longest) throws IOException {
        CommandLine command = new CommandLine(line.get(0));
        line.stream().skip(1).forEach(argument -> command.addArgument(argument, false));
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        DefaultExecuteResultHandler end = new DefaultExecuteResultHandler();
        Execution execution = new Execution(directory);
        execution.setStreamHandler(new PumpStreamHandler(output));
        execution.execute(command, end);
        try {
            end.waitFor(longest);
        } catch (InterruptedException e) {
            execution.kill();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while " + line.get(0) + " was tried", e);
        }
        OptionalInt exitCode = OptionalInt.empty();
        if (!end.hasResult()) {
            execution.kill();
        } else if (end.getException() != null && end.getException().getCause() instanceof IOException failure) {
            throw failure;
        } else {
            exitCode = OptionalInt.of(end.getExitValue());
        }
        return new ShortRun(exitCode, output.toString(StandardCharsets.UTF_8).strip());
    }

    /**
     * The library's own way to end a program is to ask it and to wait for ever; one that is stuck in KVM does not hear.
     */
    private static final class Execution extends DaemonExecutor {
        private volatile Process process;

        @SuppressWarnings("deprecation") // The builder makes no subclass.
        Execution(Path directory) {
            setWorkingDirectory(directory.toFile());
        }

        @Override
        protected Process launch(CommandLine command, Map<String, String> environment, Path directory)
                throws IOException {
            Process launched = super.launch(command, environment, directory);
            process = launched;
            return launched;
        }

        void kill() {
            Process launched = process;
            if (launched != null) {
                launched.destroyForcibly();
            }
        }
    }
}
