package io.forrest.launcher.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.Forrest;
import io.forrest.fleet.FleetBooks;
import io.forrest.fleet.MachineSnapshot;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What Forrest's owner may ask it: see {@code docs/operating.md}. Answers come from the fleet, and block no thread. */
public final class ControlRoutes extends Handler.Abstract.NonBlocking {
    private static final Logger LOG = LoggerFactory.getLogger(ControlRoutes.class);
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Forrest forrest;

    // Guarded by this.
    private boolean draining;

    public ControlRoutes(Forrest forrest) {
        this.forrest = forrest;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        String path = Request.getPathInContext(request);
        return switch (request.getMethod() + " " + path) {
            case "GET /machines" ->
                answer(forrest.machines().thenApplyAsync(ControlRoutes::json, threads()), response, callback);
            case "GET /books" ->
                answer(forrest.books().thenApplyAsync(ControlRoutes::json, threads()), response, callback);
            case "GET /drain" ->
                answer(forrest.machines().thenApplyAsync(this::drainJson, threads()), response, callback);
            case "POST /drain" -> {
                drain();
                yield Answers.text(response, callback, 202, "Forrest takes no new jobs.");
            }
            default ->
                Answers.text(
                        response,
                        callback,
                        404,
                        "Forrest has GET /machines, GET /books, GET /drain and POST /drain here.");
        };
    }

    private Executor threads() {
        return getServer().getThreadPool();
    }

    private static boolean answer(CompletableFuture<JsonNode> asked, Response response, Callback callback) {
        CompletableFuture<?> unused = asked.whenComplete((document, failure) -> {
            if (failure == null) {
                Answers.json(response, callback, 200, document.toString());
            } else {
                Answers.text(response, callback, 503, "Forrest cannot tell: " + failure.getMessage());
            }
        });
        return true;
    }

    private synchronized boolean isDraining() {
        return draining;
    }

    private synchronized void drain() {
        if (draining) {
            return;
        }
        draining = true;
        LOG.info("Asked to drain: no new jobs are taken until Forrest is started again.");
        CompletableFuture<Void> unused = forrest.drain().thenRun(() -> LOG.info("Drained: no machine is left."));
    }

    private JsonNode drainJson(List<MachineSnapshot> machines) {
        return JSON.objectNode().put("draining", isDraining()).set("machines", json(machines));
    }

    private static JsonNode json(FleetBooks books) {
        ObjectNode object = JSON.objectNode()
                .put("claimed_ram_bytes", books.claimedRam().bytes())
                .put("claimed_disk_bytes", books.claimedDisk().bytes())
                .put("machines", books.machines().size());
        books.freeDisk().ifPresent(free -> object.put("free_disk_bytes", free.bytes()));
        return object;
    }

    private static JsonNode json(List<MachineSnapshot> machines) {
        ArrayNode array = JSON.arrayNode();
        machines.forEach(machine -> array.add(json(machine)));
        return array;
    }

    /** What is not known yet is left out. */
    private static JsonNode json(MachineSnapshot machine) {
        ObjectNode object = JSON.objectNode()
                .put("id", machine.id().runnerName())
                .put("type", machine.type().id().toString())
                .put("state", machine.state().name().toLowerCase(Locale.ROOT))
                .put("reason", machine.reason())
                .put("since", machine.since().toString())
                .put("requested_at", machine.requestedAt().toString())
                .put("cpus", machine.type().cpus())
                .put("ram_bytes", machine.type().ram().bytes())
                .put("disk_bytes", machine.type().disk().bytes());
        machine.vmStartedAt().ifPresent(at -> object.put("vm_started_at", at.toString()));
        machine.processId().ifPresent(pid -> object.put("process_id", pid));
        machine.job().ifPresent(job -> object.put("job", job.value()));
        return object;
    }
}
