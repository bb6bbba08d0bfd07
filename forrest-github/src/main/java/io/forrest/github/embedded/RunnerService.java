package io.forrest.github.embedded;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;

/**
 * What the demo's runner talks to: {@code POST session} goes online, {@code GET job} waits for a job's script, {@code POST
 * log} and {@code POST result} report. The real runner's protocol is GitHub's own and not public; this one is as much of it
 * as Forrest can notice. A runner shows its token as {@code Authorization: Bearer}; without one that is valid (any more) the
 * answer is 410, upon which a runner ends.
 */
final class RunnerService implements HttpHandler {
    private static final Duration LONG_POLL = Duration.ofSeconds(20);
    private static final int MOST_LOG_BYTES = 1 << 20;
    private static final byte[] NOTHING = new byte[0];

    private final ActionsState state;

    RunnerService(ActionsState state) {
        this.state = state;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            String authorization = Optional.ofNullable(
                            exchange.getRequestHeaders().getFirst("Authorization"))
                    .orElse("");
            Optional<EmbeddedRunner> runner = state.seen(authorization.replaceFirst("^Bearer ", ""));
            byte[] body = exchange.getRequestBody().readNBytes(MOST_LOG_BYTES);
            if (runner.isEmpty()) {
                answer(exchange, 410, NOTHING);
                return;
            }
            switch (exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath()) {
                case "POST /runner/session" -> {
                    state.online(runner.get());
                    answer(exchange, 204, NOTHING);
                }
                case "GET /runner/job" -> giveJob(exchange, runner.get());
                case "POST /runner/log" -> {
                    state.log(runner.get(), new String(body, StandardCharsets.UTF_8));
                    answer(exchange, 204, NOTHING);
                }
                case "POST /runner/result" -> {
                    boolean good =
                            new String(body, StandardCharsets.UTF_8).strip().equals("success");
                    state.result(runner.get(), good ? "success" : "failure");
                    answer(exchange, 204, NOTHING);
                }
                default -> answer(exchange, 404, NOTHING);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void giveJob(HttpExchange exchange, EmbeddedRunner runner) throws IOException, InterruptedException {
        Optional<EmbeddedJob> job = state.awaitJob(runner, LONG_POLL);
        if (job.isPresent()) {
            answer(exchange, 200, state.script(job.get()).getBytes(StandardCharsets.UTF_8));
        } else {
            answer(exchange, 204, NOTHING);
        }
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        if (body.length > 0) {
            exchange.getResponseBody().write(body);
        }
    }
}
