package io.forrest.github;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import java.io.IOException;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes GitHub's webhooks, whatever HTTP server they come through.
 *
 * <p>Nothing of a body is believed, not even parsed, before its signature is found good.
 */
public final class WebhookReceiver implements JobSource {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookReceiver.class);

    /** What is ambiguous is refused, rather than read in one of two ways. */
    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final GitHubConfig github;
    private final ConfigSource config;
    private final Clock clock;
    private final Outlet outlet = new Outlet();
    private volatile JobSink follower = any -> {};

    public WebhookReceiver(GitHubConfig github, ConfigSource config, Clock clock) {
        this.github = github;
        this.config = config;
        this.clock = clock;
    }

    /** Has {@code sink} hear of each job, too, as long as this source is open: it looks for the end of those jobs. */
    public void followedBy(JobSink sink) {
        follower = sink;
    }

    @Override
    public String name() {
        return "webhook";
    }

    @Override
    public void start(JobSink observer) {
        outlet.open(observer);
    }

    @Override
    public void close() {
        outlet.close();
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
            return refuse(
                    400,
                    "A signed webhook that is not plain JSON. Its content type at GitHub must be application/json.");
        } catch (IllegalArgumentException e) {
            return refuse(400, "A signed webhook that is no workflow_job: " + e.getMessage() + ".");
        }
    }

    private static WebhookAnswer refuse(int status, String line) {
        LOG.warn("{}", line);
        return new WebhookAnswer(status, line);
    }

    private WebhookAnswer observe(JsonNode event) {
        RepositoryId repository = repository(JobTranslator.text(event.path("repository"), "full_name"));
        if (!config.current().repositories().containsKey(repository)) {
            return refuse(
                    401, "A webhook for " + repository + ", which is not among the repositories of the configuration.");
        }
        JsonNode job = event.path("workflow_job");
        String action = JobTranslator.text(event, "action");
        // A job can be queued and still wait for an approval; an in_progress event may have an older status in it.
        String word = action.equals("queued") ? JobTranslator.text(job, "status") : action;
        Optional<JobStatus> status = JobTranslator.status(word);
        if (status.isEmpty()) {
            LOG.debug("A webhook of {} says \"{}\" of a job, which means nothing to Forrest.", repository, word);
            return new WebhookAnswer(204, "Not a status that matters here.");
        }
        JobObservation observation = JobTranslator.observation(job, status.get(), repository, clock.instant(), name());
        if (!outlet.tell(observation)) {
            return new WebhookAnswer(503, "Forrest is not up; it looks for jobs by itself when it is.");
        }
        follower.observe(observation);
        return new WebhookAnswer(200, "Taken.");
    }

    private static RepositoryId repository(String fullName) {
        try {
            return RepositoryId.parse(fullName);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("its repository.full_name is not of the form owner/name", e);
        }
    }
}
