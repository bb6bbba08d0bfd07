package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.config.ForrestConfig;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.HostProblem;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;

/** Asks GitHub whether the App is what Forrest needs, for people who set it up. */
public final class GitHubAppCheck {
    private GitHubAppCheck() {}

    /** What is wrong with the App's key; empty if all is well. Asks GitHub nothing. */
    public static List<HostProblem> keyProblems(GitHubConfig config) {
        try {
            AppKey.read(config.keyFile());
            return List.of();
        } catch (AppKey.BadKeyException e) {
            return List.of(e.problem());
        }
    }

    /** Everything that keeps Forrest from working with GitHub; empty if all is well. Blocks on the network. */
    public static List<HostProblem> problems(ForrestConfig config, Clock clock) {
        List<HostProblem> problems = new ArrayList<>();
        GitHubConnection connection;
        try {
            connection = new GitHubConnection(config.github(), clock);
            connection.asApp("GET", "/app");
        } catch (PluginException e) {
            problems.add(new HostProblem("github", e.getMessage(), "No repository was looked at."));
            return problems;
        }
        config.repositories().keySet().forEach(repository -> check(connection, repository, problems));
        return problems;
    }

    private static void check(GitHubConnection connection, RepositoryId repository, List<HostProblem> problems) {
        String where = "repositories." + repository.owner() + "." + repository.name();
        try {
            JsonNode installation = connection
                    .asApp("GET", "/repos/" + repository + "/installation")
                    .body();
            if (installation.path("suspended_at").isTextual()) {
                problems.add(new HostProblem(
                        where,
                        "the App's installation is suspended.",
                        "Unsuspend it in the settings of its owner; until then no job runs."));
            }
            JsonNode permissions = installation.path("permissions");
            if (!permissions.path("administration").asText().equals("write")) {
                problems.add(new HostProblem(
                        where,
                        "the App may not register runners.",
                        "Give it the repository permission Administration (read and write), and accept it there."));
            }
            if (permissions.path("actions").isMissingNode()) {
                problems.add(new HostProblem(
                        where,
                        "the App may not see workflow runs.",
                        "Give it the repository permission Actions (read), and accept it there."));
            }
            boolean subscribed = false;
            for (JsonNode event : installation.path("events")) {
                subscribed |= event.asText().equals("workflow_job");
            }
            if (!subscribed) {
                problems.add(new HostProblem(
                        where,
                        "GitHub sends no webhooks for jobs.",
                        "Subscribe the App to the event \"Workflow job\"; until then jobs are found by polling only."));
            }
        } catch (PluginException e) {
            problems.add(new HostProblem(where, e.getMessage(), "Jobs of this repository cannot run."));
        }
    }
}
