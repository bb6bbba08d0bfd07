package io.forrest.github.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.JobId;
import io.forrest.testing.TestConfigs;
import java.net.URI;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** A validator that lets everything pass is worse than none: here it has to refuse. */
public class GitHubSchemasTest {
    private static final Instant NOW = Instant.parse("2026-03-01T10:00:00Z");
    private static final String REPO = "/repos/acme/firmware";

    private final Documents documents = new Documents("http://127.0.0.1:8080", "4711");
    private final EmbeddedRunner runner = new EmbeddedRunner(
            5_000_000_001L, "forrest-build-1", TestConfigs.REPOSITORY, List.of("build"), true, false);
    private final EmbeddedJob queued = new EmbeddedJob(
            new JobId(50_000_000_001L),
            20_000_000_001L,
            1,
            NOW,
            TestConfigs.REPOSITORY,
            "build",
            "push",
            List.of("self-hosted", "forrest", "build"),
            "true",
            "queued",
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            NOW,
            Optional.empty(),
            Optional.empty(),
            "");

    /** {@code optional} are the fields of the body that GitHub does not promise. */
    private record Answer(String method, String call, int status, ObjectNode body, List<String> optional) {
        Answer(String method, String call, int status, ObjectNode body, String... optional) {
            this(method, call, status, body, List.of(optional));
        }

        List<String> problems(ObjectNode instead) {
            return GitHubSchemas.answerProblems(method, call, status, instead);
        }

        @Override
        public String toString() {
            return method + " " + call + " " + status;
        }
    }

    @DataProvider
    public Object[][] answers() {
        ObjectNode runners = list("runners", Documents.runner(runner));
        ObjectNode jobs =
                list("jobs", documents.job(queued.startedOn(runner, NOW).completed("success", NOW)));
        ObjectNode runs = list("workflow_runs", documents.workflowRun(queued));
        ObjectNode jit = Documents.JSON.createObjectNode().put("encoded_jit_config", "e30=");
        jit.set("runner", Documents.runner(runner));
        return new Object[][] {
            {
                new Answer(
                        "GET",
                        "/app",
                        200,
                        documents.app(),
                        "/slug",
                        "/permissions/actions",
                        "/permissions/administration",
                        "/permissions/metadata")
            },
            {
                new Answer(
                        "GET",
                        REPO + "/installation",
                        200,
                        documents.installation(TestConfigs.REPOSITORY, Optional.empty()),
                        "/permissions/actions",
                        "/permissions/administration",
                        "/permissions/metadata")
            },
            {
                new Answer(
                        "POST",
                        "/app/installations/7/access_tokens",
                        201,
                        documents.installationToken("ghs_x", NOW),
                        "/permissions",
                        "/permissions/actions",
                        "/permissions/administration",
                        "/permissions/metadata",
                        "/repository_selection")
            },
            {
                new Answer(
                        "GET",
                        REPO,
                        200,
                        documents.repository(TestConfigs.REPOSITORY),
                        "/has_downloads",
                        "/is_template",
                        "/web_commit_signoff_required",
                        "/visibility",
                        "/topics",
                        "/custom_properties")
            },
            {
                new Answer(
                        "GET",
                        REPO + "/actions/runners?per_page=100",
                        200,
                        runners,
                        "/runners/runner_group_id",
                        "/runners/ephemeral",
                        "/runners/labels/id",
                        "/runners/labels/type")
            },
            {
                new Answer(
                        "POST",
                        REPO + "/actions/runners/generate-jitconfig",
                        201,
                        jit,
                        "/runner/runner_group_id",
                        "/runner/ephemeral",
                        "/runner/labels/id",
                        "/runner/labels/type")
            },
            {
                new Answer(
                        "POST",
                        REPO + "/actions/runners/generate-jitconfig",
                        409,
                        Documents.error(409, "Already exists"),
                        "/message",
                        "/documentation_url",
                        "/status")
            },
            {new Answer("POST", REPO + "/actions/runners/generate-jitconfig", 422, Documents.invalid("Invalid request"))
            },
            {new Answer("GET", REPO + "/actions/runs", 200, runs, "/workflow_runs/name", "/workflow_runs/run_attempt")},
            {new Answer("GET", REPO + "/actions/runs/20000000001/jobs", 200, jobs, "/jobs/run_attempt", "/jobs/steps")},
        };
    }

    private static ObjectNode list(String name, ObjectNode item) {
        ObjectNode list = Documents.JSON.createObjectNode().put("total_count", 1);
        list.putArray(name).add(item);
        return list;
    }

    @Test(dataProvider = "answers")
    public void whatTheEmbeddedGitHubSaysIsGood(Answer answer) {
        assertThat(answer.problems(answer.body())).isEmpty();
    }

    @Test(dataProvider = "answers")
    public void aFieldOfAnotherTypeOrThatNobodyKnowsIsNoticed(Answer answer) {
        answer.body().fieldNames().forEachRemaining(name -> {
            ObjectNode wrong = answer.body().deepCopy();
            wrong.putArray(name).addObject().put("unheard-of", "x");
            assertThat(answer.problems(wrong)).as(name).isNotEmpty();
        });
        assertThat(answer.problems(answer.body().deepCopy().put("unheard-of", "x")))
                .isNotEmpty();
    }

    /** Every field of every object of every list, one after the other. */
    @Test(dataProvider = "answers")
    public void aFieldThatIsMissingIsNoticedWhereverItIs(Answer answer) {
        List<String> unnoticed = new ArrayList<>();
        for (String pointer : fields(answer.body(), "")) {
            ObjectNode lacking = answer.body().deepCopy();
            int slash = pointer.lastIndexOf('/');
            ((ObjectNode) lacking.at(pointer.substring(0, slash))).remove(pointer.substring(slash + 1));
            if (answer.problems(lacking).isEmpty()) {
                unnoticed.add(pointer.replaceAll("/\\d+", ""));
            }
        }
        assertThat(unnoticed).containsExactlyInAnyOrderElementsOf(answer.optional());
    }

    private static List<String> fields(JsonNode node, String pointer) {
        List<String> fields = new ArrayList<>();
        node.properties().forEach(field -> {
            fields.add(pointer + "/" + field.getKey());
            fields.addAll(fields(field.getValue(), pointer + "/" + field.getKey()));
        });
        for (int i = 0; node.isArray() && i < node.size(); i++) {
            fields.addAll(fields(node.get(i), pointer + "/" + i));
        }
        return fields;
    }

    @Test
    public void nothingIsNullThatMayNotBe() {
        ObjectNode job = documents.job(queued);
        assertThat(job.path("runner_id").isNull()).isTrue();
        assertThat(jobProblems(job)).isEmpty();
        assertThat(jobProblems(job.deepCopy().putNull("conclusion"))).isEmpty();
        assertThat(jobProblems(job.deepCopy().putNull("status"))).isNotEmpty();
        assertThat(jobProblems(job.deepCopy().putNull("labels"))).isNotEmpty();
        assertThat(jobProblems(job.deepCopy().put("started_at", "yesterday"))).isNotEmpty();
        assertThat(jobProblems(job.deepCopy().put("status", "bored"))).isNotEmpty();
    }

    private static List<String> jobProblems(ObjectNode job) {
        return GitHubSchemas.answerProblems("GET", REPO + "/actions/runs/1/jobs", 200, list("jobs", job));
    }

    @DataProvider
    public Object[][] events() {
        EmbeddedJob started = queued.startedOn(runner, NOW);
        return new Object[][] {
            {documents.workflowJobEvent("queued", queued)},
            {documents.workflowJobEvent("waiting", queued.withStatus("waiting"))},
            {documents.workflowJobEvent("in_progress", started)},
            {documents.workflowJobEvent("completed", started.completed("failure", NOW))},
            {documents.workflowJobEvent("completed", queued.completed("cancelled", NOW))},
        };
    }

    @Test(dataProvider = "events")
    public void anEventIsGoodAsItIsAndInNoOtherWay(ObjectNode event) {
        assertThat(GitHubSchemas.webhookProblems(event)).isEmpty();
        for (String part : List.of("/workflow_job", "/repository", "/sender", "/repository/owner")) {
            event.at(part).fieldNames().forEachRemaining(name -> {
                ObjectNode lacking = event.deepCopy();
                ((ObjectNode) lacking.at(part)).remove(name);
                if (!List.of("disabled", "has_discussions").contains(name)) {
                    assertThat(GitHubSchemas.webhookProblems(lacking))
                            .as("%s/%s", part, name)
                            .isNotEmpty();
                }
            });
        }
        assertThat(GitHubSchemas.webhookProblems(event.deepCopy().put("unheard-of", 1)))
                .isNotEmpty();
    }

    @Test
    public void aRunnerOnOfferIsAsGitHubDescribesIt() {
        String call = REPO + "/actions/runners/downloads";
        RunnerOffer offer = new RunnerOffer(
                "actions-runner-linux-x64-2.330.0.tar.gz",
                URI.create("https://example.com/runner"),
                Optional.of("0"),
                Optional.of("t"));
        assertThat(GitHubSchemas.answerProblems("GET", call, 200, Documents.runnerApplications(Optional.empty())))
                .isEmpty();
        JsonNode whole = Documents.runnerApplications(Optional.of(offer));
        assertThat(GitHubSchemas.answerProblems("GET", call, 200, whole)).isEmpty();
        List<String> optional = new ArrayList<>();
        whole.path(0).fieldNames().forEachRemaining(name -> {
            JsonNode lacking = whole.deepCopy();
            ((ObjectNode) lacking.path(0)).remove(name);
            if (GitHubSchemas.answerProblems("GET", call, 200, lacking).isEmpty()) {
                optional.add(name);
            }
        });
        assertThat(optional).containsExactlyInAnyOrder("temp_download_token", "sha256_checksum");
        ((ObjectNode) whole.path(0)).put("unheard-of", 1);
        assertThat(GitHubSchemas.answerProblems("GET", call, 200, whole)).isNotEmpty();
    }

    @Test
    public void aRequestIsHeldAgainstItsDescription() {
        String call = REPO + "/actions/runners/generate-jitconfig";
        ObjectNode body = Documents.JSON.createObjectNode().put("name", "n").put("runner_group_id", 1);
        assertThat(GitHubSchemas.requestProblems("POST", call, body)).isNotEmpty();
        body.putArray("labels");
        assertThat(GitHubSchemas.requestProblems("POST", call, body)).isNotEmpty();
        body.putArray("labels").add("build");
        assertThat(GitHubSchemas.requestProblems("POST", call, body)).isEmpty();
    }
}
