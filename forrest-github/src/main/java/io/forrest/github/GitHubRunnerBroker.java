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
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Just-in-time runners of repositories ("Self-hosted runners" in GitHub's REST API). The client library does not know
 * these calls, so they are made here.
 */
public final class GitHubRunnerBroker implements RunnerBroker {
    private static final Logger LOG = LoggerFactory.getLogger(GitHubRunnerBroker.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The group {@code Default}, which every repository and organization has. */
    private static final int DEFAULT_RUNNER_GROUP = 1;

    private static final byte[] NO_BODY = new byte[0];

    /** A request is not carried out later than this. */
    private static final Duration REMEMBER_UNCLAIMED = Duration.ofHours(1);

    private final GitHubConnection connection;

    /** Machines whose registration had no answer, and since when. They are given up: nobody registers them again. */
    private final Map<MachineId, Instant> unclaimed = new ConcurrentHashMap<>();

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
        try {
            return registration(
                    machine,
                    connection.asInstallation(
                            repository,
                            "POST",
                            connection.address(runners(repository) + "/generate-jitconfig"),
                            body.toString().getBytes(StandardCharsets.UTF_8)));
        } catch (PluginException e) {
            if (mayHaveBeenCarriedOut(e)) {
                removeWhenSeen(machine);
            }
            throw e;
        }
    }

    private static RunnerRegistration registration(MachineId machine, RestAnswer answer) throws PluginException {
        String jitConfig = answer.body().path("encoded_jit_config").asText("");
        JsonNode id = answer.body().path("runner").path("id");
        if (jitConfig.isEmpty() || !id.canConvertToLong()) {
            throw new NoAnswer("GitHub registered " + machine.runnerName() + " without a number or a configuration.");
        }
        return new RunnerRegistration(id.longValue(), Secret.of(jitConfig));
    }

    /** Whether there may be a runner though its registration failed. */
    private static boolean mayHaveBeenCarriedOut(PluginException failure) {
        return failure instanceof NoAnswer || (failure instanceof GitHubRefusal refusal && refusal.status() >= 500);
    }

    /** Looks once at once. While GitHub is away, this is for a later look, or for the sweep of all runners. */
    private void removeWhenSeen(MachineId machine) {
        Instant now = connection.now();
        unclaimed.values().removeIf(since -> since.plus(REMEMBER_UNCLAIMED).isBefore(now));
        unclaimed.put(machine, now);
        if (!connection.isAway()) {
            try {
                // Whatever is listed is removed, if it is unclaimed.
                list(machine.type().repository());
            } catch (PluginException e) {
                LOG.debug("Whether GitHub made the runner {} is not known yet.", machine.runnerName(), e);
            }
        }
    }

    /**
     * Removes a runner whose registration nobody got: no guest can start it, so it is never online. One that GitHub makes
     * late is found by a later look.
     */
    private boolean isRemovedAsUnclaimed(RepositoryId repository, RunnerSighting runner) {
        Optional<MachineId> machine = unclaimed.keySet().stream()
                .filter(id -> id.runnerName().equals(runner.name())
                        && id.type().repository().equals(repository))
                .findFirst();
        if (machine.isEmpty() || runner.online() || runner.busy()) {
            return false;
        }
        try {
            remove(repository, runner.runnerId());
            unclaimed.remove(machine.get());
            LOG.info(
                    "Removed the runner {} of {}: the answer to its registration was lost.", runner.name(), repository);
            return true;
        } catch (PluginException e) {
            LOG.debug("The runner {} of {} stays until the next look.", runner.name(), repository, e);
            return false;
        }
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
        sightings.removeIf(runner -> isRemovedAsUnclaimed(repository, runner));
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
