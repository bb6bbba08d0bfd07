package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.RepositoryId;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Bodies as GitHub's OpenAPI description and webhook schema have them: every required field, and no other. */
final class Documents {
    static final ObjectMapper JSON = new ObjectMapper();

    private static final String SHA = "0123456789abcdef0123456789abcdef01234567";
    private static final String LONG_AGO = "2026-01-01T00:00:00Z";

    private static final List<String> REPOSITORY_ADDRESSES = List.of(
            "archive_url",
            "assignees_url",
            "blobs_url",
            "branches_url",
            "collaborators_url",
            "comments_url",
            "commits_url",
            "compare_url",
            "contents_url",
            "contributors_url",
            "deployments_url",
            "downloads_url",
            "events_url",
            "forks_url",
            "git_commits_url",
            "git_refs_url",
            "git_tags_url",
            "hooks_url",
            "issue_comment_url",
            "issue_events_url",
            "issues_url",
            "keys_url",
            "labels_url",
            "languages_url",
            "merges_url",
            "milestones_url",
            "notifications_url",
            "pulls_url",
            "releases_url",
            "stargazers_url",
            "statuses_url",
            "subscribers_url",
            "subscription_url",
            "tags_url",
            "teams_url",
            "trees_url");

    private final String apiUrl;
    private final String appId;

    Documents(String apiUrl, String appId) {
        this.apiUrl = apiUrl;
        this.appId = appId;
    }

    /** {@code basic-error}. */
    static ObjectNode error(int status, String message) {
        return invalid(message).put("status", Integer.toString(status));
    }

    /** {@code validation-error-simple}. */
    static ObjectNode invalid(String message) {
        return JSON.createObjectNode().put("message", message).put("documentation_url", "https://docs.github.com/rest");
    }

    private static String time(Instant instant) {
        return instant.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    static int installationId(RepositoryId repository) {
        return 1 + (repository.owner().toLowerCase(Locale.ROOT).hashCode() & 0xffffff);
    }

    static int repositoryId(RepositoryId repository) {
        return 1 + (repository.hashCode() & 0xffffff);
    }

    private ObjectNode user(String login, String type) {
        String url = apiUrl + "/users/" + login;
        ObjectNode user = JSON.createObjectNode()
                .put("login", login)
                .put("id", 1 + (login.hashCode() & 0xffffff))
                .put("node_id", "U_" + login)
                .put("avatar_url", url + "/avatar")
                .put("gravatar_id", "")
                .put("url", url)
                .put("html_url", url)
                .put("type", type)
                .put("site_admin", false);
        for (String part : List.of(
                "followers",
                "following",
                "gists",
                "starred",
                "subscriptions",
                "organizations",
                "repos",
                "events",
                "received_events")) {
            user.put(part + "_url", url + "/" + part);
        }
        return user;
    }

    private ObjectNode permissions() {
        return JSON.createObjectNode()
                .put("actions", "read")
                .put("administration", "write")
                .put("metadata", "read");
    }

    private static ArrayNode array(List<String> texts) {
        ArrayNode array = JSON.createArrayNode();
        texts.forEach(array::add);
        return array;
    }

    ObjectNode app() {
        ObjectNode app = JSON.createObjectNode()
                .put("id", Integer.parseInt(appId))
                .put("slug", "forrest")
                .put("node_id", "A_1")
                .put("name", "forrest")
                .put("description", "")
                .put("external_url", apiUrl)
                .put("html_url", apiUrl + "/apps/forrest")
                .put("created_at", LONG_AGO)
                .put("updated_at", LONG_AGO);
        app.set("owner", user("acme", "Organization"));
        app.set("permissions", permissions());
        app.set("events", array(List.of("workflow_job")));
        return app;
    }

    ObjectNode installation(RepositoryId repository, Optional<Instant> suspendedAt) {
        int id = installationId(repository);
        ObjectNode account = user(repository.owner(), "Organization");
        ObjectNode installation = JSON.createObjectNode()
                .put("id", id)
                .put("app_id", Integer.parseInt(appId))
                .put("app_slug", "forrest")
                .put("target_id", account.path("id").asInt())
                .put("target_type", "Organization")
                .put("repository_selection", "selected")
                .put("access_tokens_url", apiUrl + "/app/installations/" + id + "/access_tokens")
                .put("repositories_url", apiUrl + "/installation/repositories")
                .put("html_url", apiUrl + "/installations/" + id)
                .put("created_at", LONG_AGO)
                .put("updated_at", LONG_AGO);
        installation.set("account", account);
        installation.set("permissions", permissions());
        installation.set("events", array(List.of("workflow_job")));
        installation.putNull("single_file_name");
        installation.put("suspended_at", suspendedAt.map(Documents::time).orElse(null));
        installation.putNull("suspended_by");
        return installation;
    }

    ObjectNode installationToken(String token, Instant expiresAt) {
        ObjectNode body = JSON.createObjectNode().put("token", token).put("expires_at", time(expiresAt));
        body.set("permissions", permissions());
        return body.put("repository_selection", "selected");
    }

    /** What {@code minimal-repository} requires. */
    ObjectNode minimalRepository(RepositoryId id) {
        String url = apiUrl + "/repos/" + id;
        ObjectNode repository = JSON.createObjectNode()
                .put("id", repositoryId(id))
                .put("node_id", "R_" + repositoryId(id))
                .put("name", id.name())
                .put("full_name", id.toString())
                .put("private", false)
                .put("html_url", url)
                .put("fork", false)
                .put("url", url);
        repository.putNull("description");
        repository.set("owner", user(id.owner(), "Organization"));
        REPOSITORY_ADDRESSES.forEach(address -> repository.put(address, url + "/" + address));
        return repository;
    }

    /** What {@code full-repository} requires. */
    ObjectNode repository(RepositoryId id) {
        ObjectNode repository = repositoryOfEvent(id);
        repository.put("network_count", 0).put("subscribers_count", 0);
        return repository;
    }

    /** What both the REST and the webhook schema of a repository require. */
    private ObjectNode repositoryOfEvent(RepositoryId id) {
        ObjectNode repository = minimalRepository(id);
        String url = apiUrl + "/repos/" + id;
        for (String address : List.of("git_url", "ssh_url", "clone_url", "svn_url")) {
            repository.put(address, url + "/" + address);
        }
        for (String count : List.of(
                "size",
                "stargazers_count",
                "watchers_count",
                "forks_count",
                "open_issues_count",
                "forks",
                "open_issues",
                "watchers")) {
            repository.put(count, 0);
        }
        for (String flag : List.of(
                "has_issues",
                "has_projects",
                "has_downloads",
                "has_wiki",
                "has_pages",
                "has_discussions",
                "archived",
                "disabled",
                "is_template",
                "web_commit_signoff_required")) {
            repository.put(flag, false);
        }
        for (String nothing : List.of("homepage", "language", "mirror_url", "license")) {
            repository.putNull(nothing);
        }
        for (String when : List.of("created_at", "updated_at", "pushed_at")) {
            repository.put(when, LONG_AGO);
        }
        repository.put("default_branch", "main").put("visibility", "public");
        repository.putArray("topics");
        repository.putObject("custom_properties");
        return repository;
    }

    static ObjectNode runner(EmbeddedRunner runner) {
        ObjectNode body = JSON.createObjectNode()
                .put("id", runner.id())
                .put("runner_group_id", 1)
                .put("name", runner.name())
                .put("os", "linux")
                .put("status", runner.online() ? "online" : "offline")
                .put("busy", runner.busy())
                .put("ephemeral", true);
        ArrayNode labels = body.putArray("labels");
        runner.labels()
                .forEach(label ->
                        labels.addObject().put("id", 0).put("name", label).put("type", "custom"));
        return body;
    }

    /** An array of {@code runner-application}. */
    static ArrayNode runnerApplications(Optional<RunnerOffer> offer) {
        ArrayNode applications = JSON.createArrayNode();
        offer.ifPresent(linux -> {
            ObjectNode application = applications
                    .addObject()
                    .put("os", "linux")
                    .put("architecture", "x64")
                    .put("download_url", linux.address().toString())
                    .put("filename", linux.fileName());
            linux.token().ifPresent(token -> application.put("temp_download_token", token));
            linux.sha256().ifPresent(sha256 -> application.put("sha256_checksum", sha256));
        });
        return applications;
    }

    /** The run, in the attempt that the job is the only one of. */
    ObjectNode workflowRun(EmbeddedJob job) {
        RepositoryId repository = job.repository();
        String url = apiUrl + "/repos/" + repository + "/actions/runs/" + job.runId();
        Instant updated = job.completedAt().or(job::startedAt).orElse(job.createdAt());
        ObjectNode run = JSON.createObjectNode()
                .put("id", job.runId())
                .put("node_id", "WR_" + job.runId())
                .put("name", "demo")
                .put("display_title", job.name())
                .put("path", ".github/workflows/demo.yaml")
                .put("run_number", 1)
                .put("run_attempt", job.attempt())
                .put("event", job.event())
                .put("status", job.status())
                .put("conclusion", job.conclusion().orElse(null))
                .put("workflow_id", 1)
                .put("head_branch", "main")
                .put("head_sha", SHA)
                .put("url", url)
                .put("html_url", url)
                .put("created_at", time(job.runCreatedAt()))
                .put("updated_at", time(updated));
        for (String part : List.of("jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow")) {
            run.put(part + "_url", url + "/" + part);
        }
        run.set("repository", minimalRepository(repository));
        run.set("head_repository", minimalRepository(repository));
        run.putArray("pull_requests");
        ObjectNode commit = run.putObject("head_commit")
                .put("id", SHA)
                .put("tree_id", SHA)
                .put("message", job.name())
                .put("timestamp", time(job.runCreatedAt()));
        commit.putObject("author").put("name", "octocat").put("email", "octocat@example.com");
        commit.putObject("committer").put("name", "octocat").put("email", "octocat@example.com");
        return run;
    }

    ObjectNode job(EmbeddedJob job) {
        String url = apiUrl + "/repos/" + job.repository() + "/actions/jobs/" + job.id();
        Optional<Long> runner = job.runnerId();
        ObjectNode body = JSON.createObjectNode()
                .put("id", job.id().value())
                .put("run_id", job.runId())
                .put("workflow_name", "demo")
                .put("head_branch", "main")
                .put("run_url", apiUrl + "/repos/" + job.repository() + "/actions/runs/" + job.runId())
                .put("run_attempt", job.attempt())
                .put("node_id", "J_" + job.id())
                .put("head_sha", SHA)
                .put("url", url)
                .put("html_url", url)
                .put("status", job.status())
                .put("conclusion", job.conclusion().orElse(null))
                .put("created_at", time(job.createdAt()))
                .put("started_at", time(job.startedAt().orElse(job.createdAt())))
                .put("completed_at", job.completedAt().map(Documents::time).orElse(null))
                .put("name", job.name())
                .put("check_run_url", url + "/check");
        body.putArray("steps");
        body.set("labels", array(job.labels()));
        body.put("runner_id", runner.orElse(null));
        body.put("runner_name", job.runnerName().orElse(null));
        body.put("runner_group_id", runner.isPresent() ? (Integer) 1 : null);
        body.put("runner_group_name", runner.isPresent() ? "Default" : null);
        return body;
    }

    /** A line of the list of the App's deliveries. */
    static ObjectNode hookDelivery(WebhookDelivery delivery) {
        return JSON.createObjectNode()
                .put("id", delivery.id())
                .put("guid", delivery.webhook().guid().toString())
                .put("delivered_at", time(delivery.at()))
                .put("redelivery", delivery.isRedelivery())
                .put("duration", delivery.took().toMillis() / 1000.0)
                .put("status", delivery.status())
                .put("status_code", delivery.statusCode())
                .put("event", "workflow_job")
                .put("action", delivery.webhook().event().path("action").textValue())
                .put(
                        "installation_id",
                        delivery.webhook().event().at("/installation/id").longValue())
                .put(
                        "repository_id",
                        delivery.webhook().event().at("/repository/id").longValue());
    }

    ObjectNode workflowJobEvent(String action, EmbeddedJob job) {
        ObjectNode event = JSON.createObjectNode().put("action", action);
        event.set("workflow_job", job(job));
        event.set("repository", repositoryOfEvent(job.repository()));
        event.set("sender", user("octocat", "User"));
        event.putObject("installation")
                .put("id", installationId(job.repository()))
                .put("node_id", "I_1");
        return event;
    }
}
