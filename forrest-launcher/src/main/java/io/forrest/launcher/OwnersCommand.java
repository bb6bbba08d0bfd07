package io.forrest.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ConfigInspection;
import io.forrest.launcher.api.ControlClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** A command that asks the running daemon something, on its control socket. */
abstract class OwnersCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..1",
            paramLabel = "CONFIG",
            defaultValue = "config.yaml",
            description = "the daemon's; default: ${DEFAULT-VALUE}")
    private Path file;

    @Spec
    private CommandSpec spec;

    /** Asks; returns the exit code. */
    abstract int ask(ControlClient daemon, PrintWriter out)
            throws IOException, ControlClient.NotRunningException, InterruptedException;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter errors = spec.commandLine().getErr();
        // Whatever else is wrong with the file: the daemon may run with what it was before.
        ConfigInspection inspection = ConfigFile.inspect(file, Hypervisors.all());
        if (inspection.host().isEmpty()) {
            errors.println(new ConfigException(file.toString(), inspection.problems()).getMessage());
            return 1;
        }
        Path socket = Daemon.controlSocket(inspection.host().get().baseDirectory());
        try {
            return ask(new ControlClient(socket), spec.commandLine().getOut());
        } catch (ControlClient.NotRunningException e) {
            errors.println("Forrest does not run: nobody listens on " + socket
                    + ". VMs of a Forrest that is down go on, and its next start finds them.");
            return 1;
        } catch (IOException e) {
            errors.println(e.getMessage());
            return 1;
        }
    }

    /** The machines of an answer as a table, with a line for each. */
    static void print(JsonNode machines, PrintWriter out) {
        out.print(MachineTable.of(machines, Clock.systemUTC().instant()));
        out.flush();
    }
}
