package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import java.io.IOException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes GitHub's webhooks, whatever HTTP server they come through.
 *
 * <p>Nothing of a body is believed, not even parsed, before its signature is found good. Parsed as a tree: the client
 * library refuses an event as a whole for a single number larger than it expects.
 */
public final class WebhookReceiver implements JobSource {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookReceiver.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** As many as GitHub lets a runner have. */
    private static final int MOST_LABELS = 100;

    private final GitHubConfig github;
    private final ConfigSource config;
    private final Clock clock;
    private volatile Optional<JobSink> sink = Optional.empty();

    public WebhookReceiver(GitHubConfig github, ConfigSource config, Clock clock) {
        this.github = github;
        this.config = config;
        this.clock = clock;
    }

    @Override
    public String name() {
        return "webhook";
    }

    @Override
    public void start(JobSink observer) {
        sink = Optional.of(observer);
    }

    @Override
    public void close() {
        sink = Optional.empty();
    }

    /**
     * Takes one webhook. Never throws, does not block.
     *
     * @param headers with names in lower case
     */
    public WebhookAnswer receive(Map<String, String> headers, byte[] body) {
        Optional<String> signature = Optional.ofNullable(headers.get("x-hub-signature-256"));
        if (signature.isEmpty()) {
            return refuse(400, "A webhook without X-Hub-Signature-256. Set the webhook secret in the App's settings.");
        }
        if (!WebhookSignature.matches(github.webhookSecret(), body, signature.get())) {
            return refuse(400, "A webhook with a wrong signature. Is github.webhook_secret the App's webhook secret?");
        }
        String event = headers.getOrDefault("x-github-event", "");
        if (!event.equals("workflow_job")) {
            return new WebhookAnswer(204, "Only workflow_job matters here.");
        }
        try {
            return observe(JSON.readTree(body));
        } catch (IOException e) {
            return refuse(400, "A signed webhook that is not JSON.");
        } catch (IllegalArgumentException e) {
            return refuse(400, "A signed webhook that is no workflow_job: " + e.getMessage() + ".");
        }
    }

    private static WebhookAnswer refuse(int status, String line) {
        LOG.warn("{}", line);
        return new WebhookAnswer(status, line);
    }

    private WebhookAnswer observe(JsonNode event) {
        RepositoryId repository = RepositoryId.parse(text(event.path("repository"), "full_name"));
        if (!config.current().repositories().containsKey(repository)) {
            return refuse(
                    401, "A webhook for " + repository + ", which is not among the repositories of the configuration.");
        }
        JsonNode job = event.path("workflow_job");
        String action = text(event, "action");
        // A job can be queued and still wait for an approval; an in_progress event may have an older status in it.
        String word = action.equals("queued") ? text(job, "status") : action;
        Optional<JobStatus> status = JobStatuses.of(word);
        if (status.isEmpty()) {
            LOG.info("GitHub says that a job of {} is \"{}\", which means nothing to Forrest.", repository, word);
            return new WebhookAnswer(204, "Not a status that matters here.");
        }
        if (!job.path("id").canConvertToLong() || !job.path("id").isIntegralNumber()) {
            throw new IllegalArgumentException("it has no workflow_job.id");
        }
        JobObservation observation = new JobObservation(
                new JobId(job.path("id").asLong()),
                job.path("run_id").asLong(),
                repository,
                labels(job.path("labels")),
                status.get(),
                Optional.ofNullable(job.path("runner_name").textValue()).filter(name -> !name.isEmpty()),
                clock.instant(),
                name());
        Optional<JobSink> observer = sink;
        if (observer.isEmpty()) {
            return new WebhookAnswer(503, "Forrest is not up; it looks for jobs by itself when it is.");
        }
        observer.get().observe(observation);
        return new WebhookAnswer(200, "Taken.");
    }

    private static List<String> labels(JsonNode array) {
        if (!array.isArray() || array.size() > MOST_LABELS) {
            throw new IllegalArgumentException("it has no list of labels");
        }
        List<String> labels = new ArrayList<>();
        array.forEach(label -> labels.add(label.asText()));
        return labels;
    }

    private static String text(JsonNode object, String field) {
        String text = object.path(field).textValue();
        if (text == null) {
            throw new IllegalArgumentException("it has no text \"" + field + "\"");
        }
        return text;
    }
}
