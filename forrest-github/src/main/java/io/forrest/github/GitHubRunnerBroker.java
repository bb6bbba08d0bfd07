package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.jobs.JobLabels;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.RunnerSighting;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Just-in-time runners of repositories ("Self-hosted runners" in GitHub's REST API). The client library does not know
 * these calls, so they are made here.
 */
public final class GitHubRunnerBroker implements RunnerBroker {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The group {@code Default}, which every repository and organization has. */
    private static final int DEFAULT_RUNNER_GROUP = 1;

    private static final byte[] NO_BODY = new byte[0];

    private final GitHubConnection connection;

    public GitHubRunnerBroker(GitHubConnection connection) {
        this.connection = connection;
    }

    @Override
    public RunnerRegistration register(MachineId machine) throws PluginException {
        ObjectNode body = JSON.createObjectNode();
        body.put("name", machine.runnerName());
        body.put("runner_group_id", DEFAULT_RUNNER_GROUP);
        JobLabels.of(machine.type().type()).forEach(body.putArray("labels")::add);
        RepositoryId repository = machine.type().repository();
        JsonNode answer = connection
                .asInstallation(
                        repository,
                        "POST",
                        connection.address(runners(repository) + "/generate-jitconfig"),
                        body.toString().getBytes(StandardCharsets.UTF_8))
                .body();
        String jitConfig = answer.path("encoded_jit_config").asText("");
        JsonNode id = answer.path("runner").path("id");
        if (jitConfig.isEmpty() || !id.canConvertToLong()) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    "GitHub registered " + machine.runnerName() + " without a number or a configuration.");
        }
        return new RunnerRegistration(id.longValue(), Secret.of(jitConfig));
    }

    @Override
    public Removal remove(RepositoryId repository, long runnerId) throws PluginException {
        try {
            connection.asInstallation(
                    repository, "DELETE", connection.address(runners(repository) + "/" + runnerId), NO_BODY);
            return Removal.REMOVED;
        } catch (GitHubRefusal e) {
            // 422 is the documented answer for a runner at work.
            return switch (e.status()) {
                case 404 -> Removal.ALREADY_GONE;
                case 422 -> Removal.BUSY;
                default -> throw e;
            };
        }
    }

    @Override
    public List<RunnerSighting> list(RepositoryId repository) throws PluginException {
        List<RunnerSighting> sightings = new ArrayList<>();
        Optional<URI> page = Optional.of(connection.address(runners(repository) + "?per_page=100"));
        while (page.isPresent()) {
            RestAnswer answer = connection.asInstallation(repository, "GET", page.get(), NO_BODY);
            JsonNode runners = answer.body().path("runners");
            if (!runners.isArray()) {
                // Taken for an empty list, it would mean that every runner is gone.
                throw new PluginException(
                        PluginException.Kind.RETRY_LATER,
                        "GitHub answers without a list of the runners of " + repository + ".");
            }
            runners.forEach(runner -> sightings.add(sighting(runner)));
            page = answer.nextPage();
        }
        return sightings;
    }

    private static RunnerSighting sighting(JsonNode runner) {
        return new RunnerSighting(
                runner.path("id").asLong(),
                runner.path("name").asText(),
                runner.path("status").asText().equals("online"),
                runner.path("busy").asBoolean());
    }

    private static String runners(RepositoryId repository) {
        return "/repos/" + repository + "/actions/runners";
    }
}
