package io.forrest.github.embedded;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * What the demo's runner talks to: {@code POST session} goes online, {@code GET job} waits for a job's script, {@code POST
 * alive} says that the runner is still at it, {@code POST log} and {@code POST result} report. The real runner's protocol is GitHub's own and not public; this one is as much of it
 * as Forrest can notice. A runner shows its token as {@code Authorization: Bearer}; without one that is valid (any more) the
 * answer is 410, upon which a runner ends.
 */
final class RunnerService implements LoopbackServer.Handler {
    private static final Duration LONG_POLL = Duration.ofSeconds(20);
    private static final byte[] NOTHING = new byte[0];

    private final ActionsState state;

    RunnerService(ActionsState state) {
        this.state = state;
    }

    @Override
    public void handle(Exchange exchange) throws IOException, InterruptedException {
        Optional<EmbeddedRunner> runner =
                state.seen(exchange.header("Authorization").orElse("").replaceFirst("^Bearer ", ""));
        byte[] body = exchange.body();
        if (runner.isEmpty()) {
            answer(exchange, 410, NOTHING);
            return;
        }
        switch (exchange.method() + " " + exchange.uri().getPath()) {
            case "POST /runner/session" -> {
                state.online(runner.get());
                answer(exchange, 204, NOTHING);
            }
            // It was seen, which is all it wanted.
            case "POST /runner/alive" -> answer(exchange, 204, NOTHING);
            case "GET /runner/job" -> giveJob(exchange, runner.get());
            case "POST /runner/log" -> {
                state.log(runner.get(), new String(body, StandardCharsets.UTF_8));
                answer(exchange, 204, NOTHING);
            }
            case "POST /runner/result" -> {
                boolean good = new String(body, StandardCharsets.UTF_8).strip().equals("success");
                state.result(runner.get(), good ? "success" : "failure");
                answer(exchange, 204, NOTHING);
            }
            default -> answer(exchange, 404, NOTHING);
        }
    }

    private void giveJob(Exchange exchange, EmbeddedRunner runner) throws IOException, InterruptedException {
        Optional<EmbeddedJob> job = state.awaitJob(runner, LONG_POLL);
        if (job.isPresent()) {
            answer(exchange, 200, state.script(job.get()).getBytes(StandardCharsets.UTF_8));
        } else {
            answer(exchange, 204, NOTHING);
        }
    }

    private static void answer(Exchange exchange, int status, byte[] body) throws IOException {
        exchange.answer(status, Map.of(), body);
    }
}
