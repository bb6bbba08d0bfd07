package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The REST calls that Forrest makes, with GitHub's checks, answers and headers. */
final class RestApi implements LoopbackServer.Handler {
    private static final Duration TOKEN_LIFE = Duration.ofHours(1);
    private static final int MOST_PER_PAGE = 100;
    private static final int MOST_LABELS = 100;
    private static final int MOST_REQUESTS_KEPT = 100_000;
    private static final Pattern RUNNER_NAME = Pattern.compile("\\S{1,64}");
    private static final Pattern REPOSITORY_CALL = Pattern.compile("/repos/([^/]+)/([^/]+)(/.*|)");
    /** How GitHub spells the addresses of further pages. */
    private static final Pattern NUMBERED_REPOSITORY_CALL = Pattern.compile("/repositories/(\\d{1,18})(/.*|)");

    private static final Pattern TOKEN_CALL = Pattern.compile("/app/installations/(\\d{1,9})/access_tokens");
    private static final String DELIVERIES = "/app/hook/deliveries";
    private static final Pattern ATTEMPTS_CALL = Pattern.compile(DELIVERIES + "/(\\d{1,18})/attempts");
    private static final Pattern CURSOR = Pattern.compile("v1_(\\d{1,18})");

    /** What GitHub takes for {@code status} of runs. */
    private static final Set<String> RUN_STATUSES = Set.of(
            "completed",
            "action_required",
            "cancelled",
            "failure",
            "neutral",
            "skipped",
            "stale",
            "success",
            "timed_out",
            "in_progress",
            "queued",
            "requested",
            "waiting",
            "pending");

    private static final Pattern RUNNER_CALL = Pattern.compile("/actions/runners/(\\d{1,18})");
    private static final Pattern JOBS_CALL = Pattern.compile("/actions/runs/(\\d{1,18})/jobs");
    private static final SecureRandom RANDOM = new SecureRandom();

    private final ActionsState state;
    private final WebhookSender webhooks;
    private final RunnerDownloads downloads;
    private final Documents documents;
    private final Faults faults;
    private final Clock clock;
    private final AppTokenCheck appTokens;
    private final RateLimits rateLimits;
    private final int port;
    private final Map<String, Access> tokens = new ConcurrentHashMap<>();

    private final CountDownLatch closed = new CountDownLatch(1);

    // Guarded by itself.
    private final Deque<String> requests = new ArrayDeque<>();

    RestApi(
            ActionsState state,
            WebhookSender webhooks,
            RunnerDownloads downloads,
            Documents documents,
            Faults faults,
            Clock clock,
            String appId,
            Supplier<PublicKey> key,
            int port) {
        this.state = state;
        this.webhooks = webhooks;
        this.downloads = downloads;
        this.documents = documents;
        this.faults = faults;
        this.clock = clock;
        this.appTokens = new AppTokenCheck(appId, key, clock);
        this.rateLimits = new RateLimits(clock, faults);
        this.port = port;
    }

    private record Access(int installation, Instant expiresAt) {}

    /** {@code who} is counted for it, if it is known who asked. */
    private record Answer(int status, Optional<JsonNode> body, Optional<String> link, Optional<String> who) {
        static final Answer NOT_FOUND = error(404, "Not Found");
        static final Answer SUSPENDED = error(403, "This installation has been suspended");

        static Answer of(int status, JsonNode body) {
            return new Answer(status, Optional.of(body), Optional.empty(), Optional.empty());
        }

        static Answer error(int status, String message) {
            return of(status, Documents.error(status, message));
        }

        static Answer invalid(String message) {
            return of(422, Documents.invalid(message));
        }

        byte[] bytes() {
            return body.map(RestApi::bytes).orElse(new byte[0]);
        }

        Answer countedFor(String name) {
            return new Answer(status, body, link, Optional.of(name));
        }
    }

    List<String> requests() {
        synchronized (requests) {
            return List.copyOf(requests);
        }
    }

    private void note(Exchange exchange, String outcome) {
        synchronized (requests) {
            requests.add(exchange.method() + " " + exchange.uri() + " " + outcome);
            if (requests.size() > MOST_REQUESTS_KEPT) {
                requests.remove();
            }
        }
    }

    int requestsCounted() {
        return rateLimits.total();
    }

    void revokeTokens() {
        tokens.clear();
    }

    @Override
    public void handle(Exchange exchange) throws IOException, InterruptedException {
        Optional<Faults.Fault> fault = faults.forRequest();
        if (fault.isEmpty()) {
            send(exchange, answer(exchange, exchange.body()));
            return;
        }
        Optional<Answer> unsent =
                fault.get().carriedOut() ? Optional.of(answer(exchange, exchange.body())) : Optional.empty();
        if (fault.get().status().isPresent()) {
            misbehave(exchange, fault.get().status().getAsInt(), fault.get());
        } else {
            note(exchange, "cut");
            if (fault.get().isHalf() && unsent.flatMap(Answer::body).isPresent()) {
                exchange.answerHalf(unsent.get().status(), unsent.get().bytes());
            }
            closed.await(fault.get().silence().toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    /** Lets go of requests that get no answer yet. */
    void close() {
        closed.countDown();
    }

    private void misbehave(Exchange exchange, int status, Faults.Fault fault) throws IOException {
        Map<String, String> headers = new LinkedHashMap<>();
        fault.retryAfter().ifPresent(wait -> headers.put("Retry-After", Long.toString(wait.toSeconds())));
        String words = status == 403 || status == 429
                ? "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
                : "Server Error";
        note(exchange, Integer.toString(status));
        write(exchange, status, headers, bytes(Documents.error(status, words)));
    }

    private void send(Exchange exchange, Answer answer) throws IOException {
        byte[] body = answer.bytes();
        Map<String, String> headers = new LinkedHashMap<>();
        int status = answer.status();
        if (status == 200) {
            String tag = tag(exchange, body);
            headers.put("ETag", "W/\"" + tag + "\"");
            headers.put("Cache-Control", "private, max-age=60, s-maxage=60");
            headers.put(
                    "Vary", "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With");
            if (asksOnlyIfOther(exchange, tag)) {
                status = 304;
                body = new byte[0];
            } else {
                answer.link().ifPresent(link -> headers.put("Link", link));
            }
        }
        if (answer.who().isPresent()) {
            // An answer "not modified" costs nothing of the rate limit.
            RateLimits.Count count = rateLimits.count(answer.who().get(), status == 304);
            headers.put("X-RateLimit-Limit", Integer.toString(count.limit()));
            headers.put("X-RateLimit-Remaining", Integer.toString(count.remaining()));
            headers.put("X-RateLimit-Reset", Long.toString(count.reset().getEpochSecond()));
            headers.put("X-RateLimit-Used", Integer.toString(count.used()));
            headers.put("X-RateLimit-Resource", "core");
        }
        note(exchange, Integer.toString(status));
        write(exchange, status, headers, body);
    }

    /** GitHub's tags are other ones for another token, as {@code Vary} says. */
    private static String tag(Exchange exchange, byte[] body) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String name : List.of("Accept", "Authorization")) {
                digest.update((exchange.header(name).orElse("") + "\n").getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Tags are compared weakly (RFC 9110, 13.1.2). */
    private static boolean asksOnlyIfOther(Exchange exchange, String tag) {
        return exchange.headers("If-None-Match").stream()
                .flatMap(header -> Stream.of(header.split(",", -1)))
                .map(candidate -> candidate.strip().replaceFirst("^W/", ""))
                .anyMatch(candidate -> candidate.equals("\"" + tag + "\""));
    }

    private static byte[] bytes(JsonNode tree) {
        return tree.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Exchange exchange, int status, Map<String, String> headers, byte[] body)
            throws IOException {
        if (status != 204 && status != 304) {
            headers.put("Content-Type", "application/json; charset=utf-8");
        }
        headers.put("X-GitHub-Request-Id", randomText());
        exchange.answer(status, headers, body);
    }

    private static String bearer(Exchange exchange) {
        return exchange.header("Authorization").orElse("").replaceFirst("^(?i)(bearer|token) ", "");
    }

    private Answer answer(Exchange exchange, byte[] body) {
        String method = exchange.method();
        String path = exchange.uri().getPath();
        if (exchange.header("User-Agent").orElse("").isBlank()) {
            return Answer.error(403, "Request forbidden by administrative rules. Please use a User-Agent header.");
        }
        Matcher call = REPOSITORY_CALL.matcher(path);
        boolean ofRepository = call.matches();
        if (path.equals("/app")
                || path.startsWith("/app/")
                || (ofRepository && call.group(3).equals("/installation"))) {
            Optional<String> refusal = appTokens.refusal(bearer(exchange));
            if (refusal.isPresent()) {
                return Answer.error(401, refusal.get());
            }
            return counted(
                    "the app", () -> asApp(exchange, method, path, ofRepository ? repository(call) : Optional.empty()));
        }
        Optional<Access> access = Optional.ofNullable(tokens.get(bearer(exchange)))
                .filter(token -> clock.instant().isBefore(token.expiresAt()));
        if (access.isEmpty()) {
            return Answer.error(401, "Bad credentials");
        }
        int installation = access.get().installation();
        return counted("installation ID " + installation, () -> {
            Matcher numbered = NUMBERED_REPOSITORY_CALL.matcher(path);
            Optional<RepositoryId> repository = ofRepository
                    ? repository(call)
                    : numbered.matches() ? repository(Long.parseLong(numbered.group(1))) : Optional.empty();
            return repository
                    .filter(id -> Documents.installationId(id) == installation)
                    .map(id -> state.isSuspended(id)
                            ? Answer.SUSPENDED
                            : asInstallation(
                                    method, ofRepository ? call.group(3) : numbered.group(2), id, exchange, body))
                    .orElse(Answer.NOT_FOUND);
        });
    }

    private interface Work {
        Answer answer();
    }

    private Answer counted(String who, Work work) {
        Answer answer = rateLimits.isExceeded(who)
                ? Answer.error(403, "API rate limit exceeded for " + who + ".")
                : work.answer();
        return answer.countedFor(who);
    }

    private Optional<RepositoryId> repository(Matcher call) {
        try {
            return Optional.of(new RepositoryId(call.group(1), call.group(2))).filter(state::hasRepository);
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private Optional<RepositoryId> repository(long number) {
        return state.repositories().stream()
                .filter(id -> Documents.repositoryId(id) == number)
                .findFirst();
    }

    private Answer asApp(Exchange exchange, String method, String path, Optional<RepositoryId> repository) {
        if (method.equals("GET") && path.equals("/app")) {
            return Answer.of(200, documents.app());
        }
        if (method.equals("GET") && path.equals(DELIVERIES)) {
            return deliveries(exchange);
        }
        Matcher attemptsCall = ATTEMPTS_CALL.matcher(path);
        if (method.equals("POST") && attemptsCall.matches()) {
            return webhooks.redeliver(Long.parseLong(attemptsCall.group(1)))
                    ? Answer.of(202, Documents.JSON.createObjectNode())
                    : Answer.NOT_FOUND;
        }
        Matcher tokenCall = TOKEN_CALL.matcher(path);
        if (method.equals("POST") && tokenCall.matches()) {
            int installation = Integer.parseInt(tokenCall.group(1));
            Optional<RepositoryId> installed = state.repositories().stream()
                    .filter(id -> Documents.installationId(id) == installation)
                    .findFirst();
            if (installed.isEmpty()) {
                return Answer.NOT_FOUND;
            }
            if (state.isSuspended(installed.get())) {
                return Answer.SUSPENDED;
            }
            String token = "ghs_" + randomText();
            Instant expiresAt = clock.instant().plus(TOKEN_LIFE);
            tokens.put(token, new Access(installation, expiresAt));
            return Answer.of(201, documents.installationToken(token, expiresAt));
        }
        if (method.equals("GET") && repository.isPresent()) {
            return Answer.of(200, documents.installation(repository.get(), state.suspendedAt(repository.get())));
        }
        return Answer.NOT_FOUND;
    }

    /** Newest first. Pages have no numbers: each names the delivery that the next one begins with. */
    private Answer deliveries(Exchange exchange) {
        Map<String, String> query = query(exchange);
        String status = query.getOrDefault("status", "");
        if (!List.of("", "success", "failure").contains(status)) {
            return Answer.invalid("Validation Failed");
        }
        Matcher cursor = CURSOR.matcher(query.getOrDefault("cursor", "v1_" + Long.MAX_VALUE / 10));
        if (!cursor.matches()) {
            return Answer.error(400, "Invalid cursor");
        }
        long from = Long.parseLong(cursor.group(1));
        int perPage = Math.min(MOST_PER_PAGE, number(query, "per_page", 30));
        List<WebhookDelivery> rest = webhooks.listed().stream()
                .filter(delivery -> delivery.id() <= from)
                .filter(delivery -> status.isEmpty() || delivery.isGood() == status.equals("success"))
                .toList();
        ArrayNode body = Documents.JSON.createArrayNode();
        rest.stream().limit(perPage).map(Documents::hookDelivery).forEach(body::add);
        Optional<String> link = rest.stream()
                .skip(perPage)
                .findFirst()
                .map(next -> "<http://127.0.0.1:" + port + DELIVERIES + "?" + with(query, "cursor", "v1_" + next.id())
                        + ">; rel=\"next\"");
        return new Answer(200, Optional.of(body), link, Optional.empty());
    }

    private Answer asInstallation(String method, String call, RepositoryId repository, Exchange exchange, byte[] body) {
        Matcher runnerCall = RUNNER_CALL.matcher(call);
        Matcher jobsCall = JOBS_CALL.matcher(call);
        if (method.equals("DELETE") && runnerCall.matches()) {
            return remove(repository, Long.parseLong(runnerCall.group(1)));
        }
        if (method.equals("POST") && call.equals("/actions/runners/generate-jitconfig")) {
            return generateJitConfig(repository, body);
        }
        if (!method.equals("GET")) {
            return Answer.NOT_FOUND;
        }
        if (jobsCall.matches()) {
            return jobs(exchange, repository, Long.parseLong(jobsCall.group(1)));
        }
        return switch (call) {
            case "" -> Answer.of(200, documents.repository(repository));
            case "/actions/runners" -> runners(exchange, repository);
            case "/actions/runners/downloads" -> Answer.of(200, Documents.runnerApplications(downloads.offer()));
            case "/actions/runs" -> runs(exchange, repository);
            default -> Answer.NOT_FOUND;
        };
    }

    private Answer runners(Exchange exchange, RepositoryId repository) {
        return page(
                exchange,
                repository,
                "runners",
                state.runners().stream()
                        .filter(runner -> runner.repository().equals(repository))
                        .toList(),
                Documents::runner);
    }

    private Answer jobs(Exchange exchange, RepositoryId repository, long run) {
        String filter = query(exchange).getOrDefault("filter", "latest");
        List<EmbeddedJob> jobs =
                jobs(repository).filter(job -> job.runId() == run).toList();
        int latest = jobs.stream().mapToInt(EmbeddedJob::attempt).max().orElse(0);
        return jobs.isEmpty()
                ? Answer.NOT_FOUND
                : page(
                        exchange,
                        repository,
                        "jobs",
                        jobs.stream()
                                .filter(job -> filter.equals("all") || job.attempt() == latest)
                                .toList(),
                        documents::job);
    }

    /** Newest first, as GitHub shows them: a run that is run again keeps its place. */
    private Answer runs(Exchange exchange, RepositoryId repository) {
        Map<String, String> query = query(exchange);
        Instant from;
        try {
            from = query.containsKey("created") ? notBefore(query.get("created")) : Instant.MIN;
        } catch (DateTimeException e) {
            return Answer.invalid("Only created=>=<time> is known here, not " + query.get("created") + ".");
        }
        Optional<String> status = Optional.ofNullable(query.get("status"));
        if (status.isPresent() && !RUN_STATUSES.contains(status.get())) {
            return Answer.invalid("Validation Failed");
        }
        Map<Long, EmbeddedJob> runs = new TreeMap<>(Comparator.reverseOrder());
        jobs(repository)
                .filter(job -> !job.runCreatedAt().isBefore(from))
                // Later attempts come later.
                .forEach(job -> runs.put(job.runId(), job));
        List<EmbeddedJob> latest = runs.values().stream()
                .filter(job -> status.isEmpty() || status.get().equals(job.status()) || status.equals(job.conclusion()))
                .toList();
        return page(exchange, repository, "workflow_runs", latest, documents::workflowRun);
    }

    private static Instant notBefore(String created) {
        return OffsetDateTime.parse(created.startsWith(">=") ? created.substring(2) : "")
                .toInstant();
    }

    private Stream<EmbeddedJob> jobs(RepositoryId repository) {
        return state.jobs().stream().filter(job -> job.repository().equals(repository));
    }

    private Answer remove(RepositoryId repository, long runner) {
        return switch (state.remove(repository, runner)) {
            case REMOVED -> new Answer(204, Optional.empty(), Optional.empty(), Optional.empty());
            case UNKNOWN -> Answer.NOT_FOUND;
            case BUSY ->
                Answer.invalid(
                        "Bad request - Runner \"" + runner + "\" is currently running a job and cannot be deleted.");
        };
    }

    private Answer generateJitConfig(RepositoryId repository, byte[] body) {
        JsonNode request;
        try {
            request = Documents.JSON.readTree(body);
        } catch (IOException e) {
            return Answer.error(400, "Problems parsing JSON");
        }
        Optional<String> problem = problem(request);
        if (problem.isPresent()) {
            return Answer.invalid("Invalid request.\n\n" + problem.get());
        }
        String name = request.path("name").textValue();
        List<String> labels = new ArrayList<>();
        request.path("labels").forEach(label -> labels.add(label.textValue()));
        String token = randomText();
        Optional<EmbeddedRunner> runner = state.register(repository, name, labels, token);
        if (runner.isEmpty()) {
            return Answer.error(409, "Already exists - A runner with the name " + name + " already exists.");
        }
        // Seen from a guest on QEMU's user network, 10.0.2.2 is the host's loopback interface.
        ObjectNode jitConfig = Documents.JSON
                .createObjectNode()
                .put("url", "http://10.0.2.2:" + port + "/runner")
                .put("token", token)
                .put("name", name);
        ObjectNode answer = Documents.JSON.createObjectNode();
        answer.set("runner", Documents.runner(runner.get()));
        answer.put("encoded_jit_config", Base64.getEncoder().encodeToString(bytes(jitConfig)));
        return Answer.of(201, answer);
    }

    private static Optional<String> problem(JsonNode request) {
        JsonNode labels = request.path("labels");
        boolean onlyTexts = true;
        for (JsonNode label : labels) {
            onlyTexts &= label.isTextual();
        }
        if (!request.path("name").isTextual()
                || !RUNNER_NAME.matcher(request.path("name").textValue()).matches()) {
            return Optional.of("\"name\" must be 1 to 64 characters without spaces.");
        }
        if (!request.path("runner_group_id").isIntegralNumber()) {
            return Optional.of("\"runner_group_id\" must be an integer.");
        }
        if (!labels.isArray() || labels.isEmpty() || labels.size() > MOST_LABELS || !onlyTexts) {
            return Optional.of("\"labels\" must be 1 to " + MOST_LABELS + " strings.");
        }
        return Optional.empty();
    }

    private static String randomText() {
        byte[] random = new byte[20];
        RANDOM.nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    private static Map<String, String> query(Exchange exchange) {
        Map<String, String> query = new LinkedHashMap<>();
        String raw = Optional.ofNullable(exchange.uri().getRawQuery()).orElse("");
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

    /** One page of a list, with the addresses of the others in {@code Link}. */
    private <T> Answer page(
            Exchange exchange,
            RepositoryId repository,
            String name,
            List<T> all,
            Function<? super T, ObjectNode> document) {
        Map<String, String> query = query(exchange);
        int perPage = Math.min(MOST_PER_PAGE, number(query, "per_page", 30));
        int page = number(query, "page", 1);
        int lastPage = Math.max(1, (all.size() + perPage - 1) / perPage);
        ObjectNode body = Documents.JSON.createObjectNode().put("total_count", all.size());
        ArrayNode items = body.putArray(name);
        all.stream().skip((page - 1L) * perPage).limit(perPage).map(document).forEach(items::add);

        Map<String, Integer> others = new LinkedHashMap<>();
        if (page > 1) {
            others.put("prev", Math.min(page - 1, lastPage));
        }
        if (page < lastPage) {
            others.put("next", page + 1);
            others.put("last", lastPage);
        }
        if (page > 1) {
            others.put("first", 1);
        }
        String call = REPOSITORY_CALL.matcher(exchange.uri().getPath()).replaceFirst("$3");
        String address = "http://127.0.0.1:" + port + "/repositories/" + Documents.repositoryId(repository)
                + NUMBERED_REPOSITORY_CALL.matcher(call).replaceFirst("$2");
        String link = others.entrySet().stream()
                .map(other -> "<" + address + "?" + with(query, "page", Integer.toString(other.getValue()))
                        + ">; rel=\"" + other.getKey() + "\"")
                .collect(Collectors.joining(", "));
        return new Answer(200, Optional.of(body), Optional.of(link).filter(text -> !text.isEmpty()), Optional.empty());
    }

    private static String with(Map<String, String> query, String name, String value) {
        Map<String, String> changed = new LinkedHashMap<>(query);
        changed.put(name, value);
        return changed.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + URLEncoder.encode(entry.getValue(), StandardCharsets.UTF_8))
                .collect(Collectors.joining("&"));
    }

    private static int number(Map<String, String> query, String name, int otherwise) {
        try {
            int number = Integer.parseInt(query.getOrDefault(name, ""));
            return number > 0 ? number : otherwise;
        } catch (NumberFormatException e) {
            return otherwise;
        }
    }
}
