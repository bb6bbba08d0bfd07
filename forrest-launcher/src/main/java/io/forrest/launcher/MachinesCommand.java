package io.forrest.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.DataSize;
import io.forrest.launcher.api.ControlClient;
import java.io.IOException;
import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code forrest machines}: what runs, and why something waits. */
@Command(
        name = "machines",
        description = "Show the running daemon's machines, and why those wait that do.",
        mixinStandardHelpOptions = true)
final class MachinesCommand extends OwnersCommand {
    @Option(names = "--json", description = "Print them as JSON.")
    private boolean json;

    @Override
    int ask(ControlClient daemon, PrintWriter out) throws IOException, ControlClient.NotRunningException {
        if (json) {
            out.println(daemon.get("/machines"));
            return 0;
        }
        JsonNode answer = daemon.get("/drain");
        JsonNode machines = answer.path("machines");
        if (machines.isEmpty()) {
            out.println("No machine runs, and none waits.");
        } else {
            print(machines, out);
            JsonNode books = daemon.get("/books");
            out.println(size(books, "claimed_ram_bytes") + " of RAM and " + size(books, "claimed_disk_bytes")
                    + " of free disk space are claimed.");
        }
        if (answer.path("draining").asBoolean()) {
            out.println("Forrest was drained: it takes no jobs until it is started again.");
        }
        return 0;
    }

    private static DataSize size(JsonNode books, String field) {
        return new DataSize(books.path(field).asLong());
    }
}
