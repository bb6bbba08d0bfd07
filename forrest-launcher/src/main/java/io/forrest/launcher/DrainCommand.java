package io.forrest.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.launcher.api.ControlClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code forrest drain}: no new jobs, and waits until the machines that have one are done. */
@Command(
        name = "drain",
        description = "Have the running daemon take no new jobs, and wait for its last machine to end.",
        mixinStandardHelpOptions = true)
final class DrainCommand extends OwnersCommand {
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(1);

    @Option(names = "--no-wait", description = "Return at once.")
    private boolean noWait;

    @Override
    int ask(ControlClient daemon, PrintWriter out)
            throws IOException, ControlClient.NotRunningException, InterruptedException {
        daemon.post("/drain");
        JsonNode machines = daemon.get("/drain").path("machines");
        out.println("Forrest takes no new jobs until it is started again.");
        if (!machines.isEmpty()) {
            print(machines, out);
        }
        return noWait ? 0 : await(daemon, names(machines), out);
    }

    private static int await(ControlClient daemon, Set<String> atFirst, PrintWriter out)
            throws IOException, InterruptedException {
        Set<String> known = atFirst;
        while (!known.isEmpty()) {
            LockSupport.parkNanos(LOOK_AGAIN.toNanos());
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            JsonNode answer;
            try {
                answer = daemon.get("/drain");
            } catch (ControlClient.NotRunningException e) {
                out.println("Forrest ended meanwhile. VMs that run go on, and its next start finds them.");
                return 1;
            }
            if (!answer.path("draining").asBoolean()) {
                out.println("Forrest was started again meanwhile, and takes jobs.");
                return 1;
            }
            Set<String> left = names(answer.path("machines"));
            known.stream()
                    .filter(name -> !left.contains(name))
                    .forEach(name -> out.println(name + " has ended; " + left.size() + " left."));
            out.flush();
            known = left;
        }
        out.println("No machine is left.");
        return 0;
    }

    private static Set<String> names(JsonNode machines) {
        Set<String> names = new LinkedHashSet<>();
        machines.forEach(machine -> names.add(machine.path("id").asText()));
        return names;
    }
}
