package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The REST calls that Forrest makes, with GitHub's checks, answers and headers. */
final class RestApi implements HttpHandler {
    private static final Duration TOKEN_LIFE = Duration.ofHours(1);
    private static final int RATE_LIMIT = 5000;
    private static final int MOST_PER_PAGE = 100;
    private static final int MOST_LABELS = 100;
    private static final int MOST_BODY_BYTES = 1 << 20;
    private static final Pattern RUNNER_NAME = Pattern.compile("[^\\s]{1,64}");
    private static final Pattern REPOSITORY_CALL = Pattern.compile("/repos/([^/]+)/([^/]+)(/.*|)");
    private static final Pattern TOKEN_CALL = Pattern.compile("/app/installations/(\\d+)/access_tokens");
    private static final Pattern RUNNER_CALL = Pattern.compile("/actions/runners/(\\d+)");
    private static final Pattern JOBS_CALL = Pattern.compile("/actions/runs/(\\d+)/jobs");
    private static final SecureRandom RANDOM = new SecureRandom();

    private final ActionsState state;
    private final Documents documents;
    private final Faults faults;
    private final Clock clock;
    private final AppTokenCheck appTokens;
    private final int port;
    private final Map<String, Access> tokens = new ConcurrentHashMap<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final Map<Integer, Integer> used = new HashMap<>();

    RestApi(
            ActionsState state,
            Documents documents,
            Faults faults,
            Clock clock,
            String appId,
            PublicKey key,
            int port) {
        this.state = state;
        this.documents = documents;
        this.faults = faults;
        this.clock = clock;
        this.appTokens = new AppTokenCheck(appId, key, clock);
        this.port = port;
    }

    private record Access(int installation, Instant expiresAt) {}

    private record Answer(int status, Optional<JsonNode> body, Optional<String> link) {
        static Answer of(int status, JsonNode body) {
            return new Answer(status, Optional.of(body), Optional.empty());
        }

        static Answer error(int status, String message) {
            return of(status, Documents.message(message));
        }
    }

    List<String> requests() {
        return List.copyOf(requests);
    }

    void revokeTokens() {
        tokens.clear();
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            String call = exchange.getRequestMethod() + " " + exchange.getRequestURI();
            byte[] body = exchange.getRequestBody().readNBytes(MOST_BODY_BYTES);
            Optional<Faults.Fault> fault = faults.forRequest();
            if (fault.isPresent() && fault.get().status().isPresent()) {
                misbehave(exchange, call, fault.get());
                return;
            }
            Answer answer = answer(exchange, body);
            if (fault.isPresent()) {
                // Closed without an answer, though it was done.
                requests.add(call + " cut");
                return;
            }
            send(exchange, call, answer);
        }
    }

    private void misbehave(HttpExchange exchange, String call, Faults.Fault fault) throws IOException {
        int status = fault.status().getAsInt();
        fault.retryAfter()
                .ifPresent(wait -> exchange.getResponseHeaders().set("Retry-After", Long.toString(wait.toSeconds())));
        String words = status == 403 || status == 429
                ? "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
                : "Server Error";
        requests.add(call + " " + status);
        write(exchange, status, Documents.message(words).toString().getBytes(StandardCharsets.UTF_8));
    }

    private void send(HttpExchange exchange, String call, Answer answer) throws IOException {
        byte[] body = answer.body()
                .map(tree -> tree.toString().getBytes(StandardCharsets.UTF_8))
                .orElse(new byte[0]);
        answer.link().ifPresent(link -> exchange.getResponseHeaders().set("Link", link));
        int status = answer.status();
        if (status == 200 && exchange.getRequestMethod().equals("GET")) {
            String etag = "W/\"" + sha256(body) + "\"";
            exchange.getResponseHeaders().set("ETag", etag);
            if (etag.equals(exchange.getRequestHeaders().getFirst("If-None-Match"))) {
                status = 304;
                body = new byte[0];
            }
        }
        countRequest(exchange, status);
        requests.add(call + " " + status);
        write(exchange, status, body);
    }

    /** A 304 costs nothing of the rate limit. */
    private void countRequest(HttpExchange exchange, int status) {
        Optional<Access> access = Optional.ofNullable(tokens.get(bearer(exchange)));
        if (access.isPresent()) {
            int count;
            synchronized (used) {
                count = used.merge(access.get().installation(), status == 304 ? 0 : 1, Integer::sum);
            }
            exchange.getResponseHeaders().set("X-RateLimit-Limit", Integer.toString(RATE_LIMIT));
            exchange.getResponseHeaders()
                    .set("X-RateLimit-Remaining", Integer.toString(Math.max(0, RATE_LIMIT - count)));
            exchange.getResponseHeaders()
                    .set(
                            "X-RateLimit-Reset",
                            Long.toString(clock.instant().plus(TOKEN_LIFE).getEpochSecond()));
        }
    }

    private static void write(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        if (body.length > 0) {
            exchange.getResponseBody().write(body);
        }
    }

    private static String sha256(byte[] body) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static String bearer(HttpExchange exchange) {
        String header = Optional.ofNullable(exchange.getRequestHeaders().getFirst("Authorization"))
                .orElse("");
        return header.replaceFirst("^(?i)(bearer|token) ", "");
    }

    private Answer answer(HttpExchange exchange, byte[] body) {
        String method = exchange.getRequestMethod();
        String path = exchange.getRequestURI().getPath();
        if (exchange.getRequestHeaders().getFirst("User-Agent") == null) {
            return Answer.error(403, "Request forbidden by administrative rules. Please use a User-Agent header.");
        }
        Matcher repositoryCall = REPOSITORY_CALL.matcher(path);
        if (path.equals("/app") || path.startsWith("/app/") || path.endsWith("/installation")) {
            Optional<String> refusal = appTokens.refusal(bearer(exchange));
            return refusal.isPresent()
                    ? Answer.error(401, refusal.get())
                    : asApp(method, path, repositoryCall, exchange);
        }
        Optional<Access> access = Optional.ofNullable(tokens.get(bearer(exchange)))
                .filter(token -> clock.instant().isBefore(token.expiresAt()));
        if (access.isEmpty()) {
            return Answer.error(401, "Bad credentials");
        }
        Optional<RepositoryId> repository = repositoryCall.matches() ? repository(repositoryCall) : Optional.empty();
        if (repository.isEmpty()
                || Documents.installationId(repository.get()) != access.get().installation()) {
            return Answer.error(404, "Not Found");
        }
        return asInstallation(method, repositoryCall.group(3), repository.get(), exchange, body);
    }

    private Optional<RepositoryId> repository(Matcher call) {
        try {
            return Optional.of(new RepositoryId(call.group(1), call.group(2))).filter(state::hasRepository);
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private Answer asApp(String method, String path, Matcher repositoryCall, HttpExchange exchange) {
        if (method.equals("GET") && path.equals("/app")) {
            return Answer.of(200, documents.app());
        }
        if (method.equals("GET") && path.equals("/app/installations")) {
            Map<Integer, RepositoryId> installations = state.repositories().stream()
                    .collect(Collectors.toMap(
                            Documents::installationId, Function.identity(), (a, b) -> a, LinkedHashMap::new));
            List<ObjectNode> all =
                    installations.values().stream().map(documents::installation).toList();
            return page(exchange, all, Optional.empty());
        }
        Matcher tokenCall = TOKEN_CALL.matcher(path);
        if (method.equals("POST") && tokenCall.matches()) {
            int installation = Integer.parseInt(tokenCall.group(1));
            if (state.repositories().stream().noneMatch(id -> Documents.installationId(id) == installation)) {
                return Answer.error(404, "Not Found");
            }
            String token = "ghs_" + randomText();
            Instant expiresAt = clock.instant().plus(TOKEN_LIFE);
            tokens.put(token, new Access(installation, expiresAt));
            return Answer.of(201, documents.installationToken(token, expiresAt));
        }
        if (method.equals("GET")
                && repositoryCall.matches()
                && repositoryCall.group(3).equals("/installation")) {
            return repository(repositoryCall)
                    .map(id -> Answer.of(200, documents.installation(id)))
                    .orElse(Answer.error(404, "Not Found"));
        }
        return Answer.error(404, "Not Found");
    }

    private Answer asInstallation(
            String method, String call, RepositoryId repository, HttpExchange exchange, byte[] body) {
        Matcher runnerCall = RUNNER_CALL.matcher(call);
        Matcher jobsCall = JOBS_CALL.matcher(call);
        if (method.equals("GET") && call.isEmpty()) {
            return Answer.of(200, documents.repository(repository));
        }
        if (method.equals("GET") && call.equals("/actions/runners")) {
            return page(
                    exchange,
                    state.runners().stream()
                            .filter(runner -> runner.repository().equals(repository))
                            .map(Documents::runner)
                            .toList(),
                    Optional.of("runners"));
        }
        if (method.equals("POST") && call.equals("/actions/runners/generate-jitconfig")) {
            return generateJitConfig(repository, body);
        }
        if (runnerCall.matches()) {
            return runner(method, repository, Long.parseLong(runnerCall.group(1)));
        }
        if (method.equals("GET") && call.equals("/actions/runs")) {
            return runs(exchange, repository);
        }
        if (method.equals("GET") && jobsCall.matches()) {
            long run = Long.parseLong(jobsCall.group(1));
            List<ObjectNode> jobs = jobs(repository).stream()
                    .filter(job -> job.runId() == run)
                    .map(documents::job)
                    .toList();
            return jobs.isEmpty() ? Answer.error(404, "Not Found") : page(exchange, jobs, Optional.of("jobs"));
        }
        return Answer.error(404, "Not Found");
    }

    private List<EmbeddedJob> jobs(RepositoryId repository) {
        return state.jobs().stream()
                .filter(job -> job.repository().equals(repository))
                .toList();
    }

    private Answer runs(HttpExchange exchange, RepositoryId repository) {
        Optional<String> status = Optional.ofNullable(query(exchange).get("status"));
        Optional<Instant> from = Optional.ofNullable(query(exchange).get("created"))
                .filter(created -> created.startsWith(">="))
                .map(created -> Instant.parse(created.substring(2)));
        Map<Long, List<EmbeddedJob>> byRun = jobs(repository).stream()
                .filter(job -> from.isEmpty() || !job.createdAt().isBefore(from.get()))
                .collect(Collectors.groupingBy(EmbeddedJob::runId, LinkedHashMap::new, Collectors.toList()));
        List<ObjectNode> runs = new ArrayList<>();
        for (List<EmbeddedJob> jobs : byRun.values()) {
            ObjectNode run = documents.workflowRun(repository, jobs);
            if (status.isEmpty() || status.get().equals(run.path("status").asText())) {
                // GitHub shows the newest first.
                runs.add(0, run);
            }
        }
        return page(exchange, runs, Optional.of("workflow_runs"));
    }

    private Answer runner(String method, RepositoryId repository, long id) {
        if (method.equals("GET")) {
            return state.runners().stream()
                    .filter(runner -> runner.id() == id && runner.repository().equals(repository))
                    .map(runner -> Answer.of(200, Documents.runner(runner)))
                    .findFirst()
                    .orElse(Answer.error(404, "Not Found"));
        }
        if (!method.equals("DELETE")) {
            return Answer.error(404, "Not Found");
        }
        return switch (state.remove(repository, id)) {
            case REMOVED -> new Answer(204, Optional.empty(), Optional.empty());
            case UNKNOWN -> Answer.error(404, "Not Found");
            case BUSY ->
                Answer.error(
                        422, "Bad request - Runner \"" + id + "\" is currently running a job and cannot be deleted.");
        };
    }

    private Answer generateJitConfig(RepositoryId repository, byte[] body) {
        JsonNode request;
        try {
            request = Documents.JSON.readTree(body);
        } catch (IOException e) {
            return Answer.error(400, "Problems parsing JSON");
        }
        String name = request.path("name").asText("");
        List<String> labels = new ArrayList<>();
        request.path("labels").forEach(label -> labels.add(label.asText()));
        if (!RUNNER_NAME.matcher(name).matches()
                || !request.path("runner_group_id").isInt()
                || labels.isEmpty()
                || labels.size() > MOST_LABELS) {
            return Answer.error(422, "Invalid request. name, runner_group_id and 1 to 100 labels are required.");
        }
        String token = randomText();
        Optional<EmbeddedRunner> runner = state.register(repository, name, labels, token);
        if (runner.isEmpty()) {
            return Answer.error(409, "Already exists - A runner with the name " + name + " already exists.");
        }
        // Seen from a guest on QEMU's user network, 10.0.2.2 is the host's loopback interface.
        String jit = Documents.JSON
                .createObjectNode()
                .put("url", "http://10.0.2.2:" + port + "/runner")
                .put("token", token)
                .put("name", name)
                .toString();
        ObjectNode answer = Documents.JSON.createObjectNode();
        answer.set("runner", Documents.runner(runner.get()));
        answer.put("encoded_jit_config", Base64.getEncoder().encodeToString(jit.getBytes(StandardCharsets.UTF_8)));
        return Answer.of(201, answer);
    }

    private static String randomText() {
        byte[] random = new byte[20];
        RANDOM.nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    private static Map<String, String> query(HttpExchange exchange) {
        Map<String, String> query = new HashMap<>();
        String raw = Optional.ofNullable(exchange.getRequestURI().getRawQuery()).orElse("");
        for (String part : raw.split("&", -1)) {
            int equals = part.indexOf('=');
            if (equals > 0) {
                query.put(
                        part.substring(0, equals),
                        URLDecoder.decode(part.substring(equals + 1), StandardCharsets.UTF_8));
            }
        }
        return query;
    }

    /** One page of a list; within an object when the call has a name for it. */
    private Answer page(HttpExchange exchange, List<ObjectNode> all, Optional<String> name) {
        int perPage = Math.min(MOST_PER_PAGE, number(exchange, "per_page", 30));
        int page = number(exchange, "page", 1);
        ArrayNode items = Documents.JSON.createArrayNode();
        all.stream().skip((page - 1L) * perPage).limit(perPage).forEach(items::add);
        Optional<String> link = Optional.empty();
        if ((long) page * perPage < all.size()) {
            Map<String, String> query = query(exchange);
            query.put("page", Integer.toString(page + 1));
            String next = query.entrySet().stream()
                    .map(entry -> entry.getKey() + "=" + URLEncoder.encode(entry.getValue(), StandardCharsets.UTF_8))
                    .collect(Collectors.joining("&"));
            link = Optional.of(
                    "<http://127.0.0.1:" + port + exchange.getRequestURI().getPath() + "?" + next + ">; rel=\"next\"");
        }
        if (name.isEmpty()) {
            return new Answer(200, Optional.of(items), link);
        }
        ObjectNode body = Documents.JSON.createObjectNode().put("total_count", all.size());
        body.set(name.get(), items);
        return new Answer(200, Optional.of(body), link);
    }

    private static int number(HttpExchange exchange, String name, int otherwise) {
        try {
            int number = Integer.parseInt(query(exchange).getOrDefault(name, ""));
            return number > 0 ? number : otherwise;
        } catch (NumberFormatException e) {
            return otherwise;
        }
    }
}
