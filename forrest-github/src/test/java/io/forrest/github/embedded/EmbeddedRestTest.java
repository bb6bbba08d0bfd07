package io.forrest.github.embedded;

import static io.forrest.github.embedded.RawClient.jitRequest;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.RepositoryId;
import io.forrest.testing.ManualClock;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyPairGenerator;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The embedded GitHub is as strict as the real one: a client that satisfies it has not been lucky. */
public class EmbeddedRestTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final String RUNNERS = "/repos/acme/firmware/actions/runners";
    private static final Pattern LINK = Pattern.compile("<([^>]+)>; rel=\"(\\w+)\"");

    private ManualClock clock;
    private EmbeddedGitHub github;
    private RawClient client;

    @BeforeMethod
    public void start() throws Exception {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        github = new EmbeddedGitHub(clock);
        github.addRepository(REPOSITORY);
        github.addRepository(new RepositoryId("acme", "images"));
        github.addRepository(new RepositoryId("other", "firmware"));
        client = new RawClient(github, clock);
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        github.close();
    }

    private RawClient.Reply register(String name) throws Exception {
        return client.register(
                REPOSITORY, client.installationToken(REPOSITORY), jitRequest(name, "self-hosted", "build"));
    }

    private void assertRefused(String appToken, String... words) throws Exception {
        RawClient.Reply reply = client.get("/app", appToken);
        assertThat(reply.status()).isEqualTo(401);
        assertThat(reply.message()).contains(words);
    }

    @Test
    public void theAppIsKnownByAGoodToken() throws Exception {
        RawClient.Reply reply = client.get("/app", client.appToken());
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.body().path("id").asText()).isEqualTo(github.appId());
        assertThat(client.get("/app", client.sign(client.claims().put("iss", Integer.parseInt(github.appId()))))
                        .status())
                .isEqualTo(200);
    }

    @Test
    public void aTokenSignedWithAnotherKeyOrByAnotherMethodIsRefused() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        assertRefused(
                RawClient.sign(
                        "RS256", client.claims(), generator.generateKeyPair().getPrivate()),
                "could not be decoded");
        String good = client.appToken();
        String none = RawClient.base64(Documents.JSON.createObjectNode().put("alg", "none"))
                + good.substring(good.indexOf('.'), good.lastIndexOf('.') + 1);
        assertRefused(none, "could not be decoded");
        assertRefused(none + good.substring(good.lastIndexOf('.') + 1), "could not be decoded");
        assertRefused(
                good.replaceFirst(
                        "\\.[^.]+\\.", "." + RawClient.base64(client.claims().put("x", 1)) + "."),
                "could not be decoded");
        assertRefused("", "could not be decoded");
        assertRefused("no.token", "could not be decoded");
        assertRefused("a.b.c", "could not be decoded");
    }

    @Test
    public void anotherAppsTokenIsRefused() throws Exception {
        assertRefused(client.sign(client.claims().put("iss", "1")), "could not be decoded");
        assertRefused(client.sign((ObjectNode) client.claims().without("iss")), "could not be decoded");
    }

    @Test
    public void aTokenIsGoodOnlyWithinItsTimeWhichIsAtMostTenMinutes() throws Exception {
        long nowSeconds = clock.instant().getEpochSecond();
        assertThat(client.get("/app", client.sign(client.claims().put("exp", nowSeconds + 600)))
                        .status())
                .isEqualTo(200);
        assertRefused(client.sign(client.claims().put("exp", nowSeconds + 601)), "too far in the future");
        assertRefused(client.sign(client.claims().put("exp", nowSeconds)), "'exp'");
        assertRefused(client.sign(client.claims().put("exp", "soon")), "'exp'");
        assertRefused(client.sign((ObjectNode) client.claims().without("exp")), "'exp'");
        assertRefused(client.sign(client.claims().put("iat", nowSeconds + 1)), "'iat'");
        assertRefused(client.sign(client.claims().put("iat", "" + nowSeconds)), "'iat'");
        String token = client.appToken();
        clock.advance(Duration.ofMinutes(9));
        assertRefused(token, "'exp'");
    }

    @Test
    public void anInstallationTokenIsGoodForAnHour() throws Exception {
        String token = client.installationToken(REPOSITORY);
        clock.advance(Duration.ofMinutes(59));
        assertThat(client.get(RUNNERS, token).status()).isEqualTo(200);
        clock.advance(Duration.ofMinutes(1));
        RawClient.Reply reply = client.get(RUNNERS, token);
        assertThat(reply.status()).isEqualTo(401);
        assertThat(reply.message()).isEqualTo("Bad credentials");
    }

    @Test
    public void aRevokedTokenIsWorthNothing() throws Exception {
        String token = client.installationToken(REPOSITORY);
        github.revokeTokens();
        assertThat(client.get(RUNNERS, token).status()).isEqualTo(401);
        assertThat(client.get(RUNNERS, client.installationToken(REPOSITORY)).status())
                .isEqualTo(200);
    }

    @Test
    public void eachCallTakesOnlyItsOwnKindOfToken() throws Exception {
        assertThat(client.get(RUNNERS, client.appToken()).status()).isEqualTo(401);
        assertThat(client.get("/app", client.installationToken(REPOSITORY)).status())
                .isEqualTo(401);
    }

    @Test
    public void aTokenOpensTheRepositoriesOfItsInstallationAndNoOthers() throws Exception {
        String token = client.installationToken(REPOSITORY);
        assertThat(client.get("/repos/ACME/images", token).status()).isEqualTo(200);
        assertThat(client.get("/repos/other/firmware/actions/runners", token).status())
                .isEqualTo(404);
        assertThat(client.get("/repos/acme/unknown/actions/runners", token).status())
                .isEqualTo(404);
        assertThat(client.get("/repos/acme/unknown/installation", client.appToken())
                        .status())
                .isEqualTo(404);
        assertThat(client.call("POST", "/app/installations/999999999/access_tokens", client.appToken(), "")
                        .status())
                .isEqualTo(404);
    }

    @Test
    public void aRepositoryMayHaveAnyName() throws Exception {
        RepositoryId odd = new RepositoryId("acme", "installation");
        github.addRepository(odd);
        assertThat(client.get("/repos/acme/installation", client.installationToken(odd))
                        .status())
                .isEqualTo(200);
    }

    @Test
    public void whoDoesNotSayWhoHeIsIsForbidden() throws Exception {
        // The JDK's client always says it; here it says nothing.
        HttpResponse<String> answer = HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create(github.apiUrl() + "/app"))
                                .header("User-Agent", "")
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.body()).contains("User-Agent");
    }

    @Test
    public void aListComesInPagesWithTheAddressesOfTheOthers() throws Exception {
        String token = client.installationToken(REPOSITORY);
        for (int i = 0; i < 7; i++) {
            client.register(REPOSITORY, token, jitRequest("runner-" + i, "build"));
        }
        List<Map<String, String>> links = new ArrayList<>();
        List<String> names = new ArrayList<>();
        String next = RUNNERS + "?per_page=3";
        while (next != null) {
            RawClient.Reply reply = client.get(next, token);
            assertThat(reply.body().path("total_count").intValue()).isEqualTo(7);
            reply.body()
                    .path("runners")
                    .forEach(runner -> names.add(runner.path("name").asText()));
            Map<String, String> link = links(reply);
            links.add(link);
            next = link.get("next");
        }
        assertThat(names).hasSize(7).doesNotHaveDuplicates();
        assertThat(links.get(0)).containsOnlyKeys("next", "last");
        assertThat(links.get(1)).containsOnlyKeys("prev", "next", "last", "first");
        assertThat(links.get(2)).containsOnlyKeys("prev", "first");
        assertThat(links.get(1).get("last")).isEqualTo(links.get(0).get("last")).contains("per_page=3", "page=3");
        // As GitHub's, the addresses name the repository by its number: a client has to follow them as they are.
        assertThat(links.get(0).get("next")).startsWith(github.apiUrl() + "/repositories/");
        assertThat(client.get(RUNNERS + "?per_page=3&page=9", token).body().path("runners"))
                .isEmpty();
    }

    private static Map<String, String> links(RawClient.Reply reply) {
        Map<String, String> links = new HashMap<>();
        Matcher matcher = LINK.matcher(reply.header("Link").orElse(""));
        while (matcher.find()) {
            links.put(matcher.group(2), matcher.group(1));
        }
        return links;
    }

    @Test
    public void aPageHasThirtyUnlessAskedForMoreAndNeverMoreThanAHundred() throws Exception {
        String token = client.installationToken(REPOSITORY);
        for (int i = 0; i < 101; i++) {
            client.register(REPOSITORY, token, jitRequest("runner-" + i, "build"));
        }
        assertThat(client.get(RUNNERS, token).body().path("runners")).hasSize(30);
        assertThat(client.get(RUNNERS + "?per_page=500", token).body().path("runners"))
                .hasSize(100);
        assertThat(client.get(RUNNERS + "?per_page=nonsense&page=-1", token)
                        .body()
                        .path("runners"))
                .hasSize(30);
    }

    @Test
    public void whatHasNotChangedIsNotSentAgainAndCostsNothing() throws Exception {
        String token = client.installationToken(REPOSITORY);
        RawClient.Reply first = client.get(RUNNERS, token);
        String etag = first.header("ETag").orElseThrow();
        RawClient.Reply same = client.call("GET", RUNNERS, token, "", "If-None-Match", "\"x\", " + etag);
        assertThat(same.status()).isEqualTo(304);
        assertThat(same.body().isMissingNode()).isTrue();
        assertThat(same.number("X-RateLimit-Used")).isEqualTo(first.number("X-RateLimit-Used"));
        assertThat(same.number("X-RateLimit-Remaining")).isEqualTo(first.number("X-RateLimit-Remaining"));
        // Tags are compared weakly, and whoever has another token has other tags.
        assertThat(client.call("GET", RUNNERS, token, "", "If-None-Match", etag.replaceFirst("^W/", ""))
                        .status())
                .isEqualTo(304);
        assertThat(etag).matches("W/\"[0-9a-f]{64}\"");
        String another = client.installationToken(REPOSITORY);
        RawClient.Reply theirs = client.call("GET", RUNNERS, another, "", "If-None-Match", etag);
        assertThat(theirs.status()).isEqualTo(200);
        assertThat(theirs.number("X-RateLimit-Used")).isEqualTo(first.number("X-RateLimit-Used") + 1);
        client.register(REPOSITORY, token, jitRequest("runner", "build"));
        RawClient.Reply changed = client.call("GET", RUNNERS, token, "", "If-None-Match", etag);
        assertThat(changed.status()).isEqualTo(200);
        assertThat(changed.header("ETag")).isNotEqualTo(first.header("ETag"));
        assertThat(changed.number("X-RateLimit-Used")).isEqualTo(first.number("X-RateLimit-Used") + 3);
    }

    @Test
    public void aRunThatIsRunAgainKeepsItsPlaceAndHasOtherJobs() throws Exception {
        EmbeddedJob first = job("first");
        EmbeddedJob second = job("second");
        github.cancelJob(first.id());
        clock.advance(Duration.ofDays(2));
        EmbeddedJob again = github.job(github.runAgain(first.id()));
        String token = client.installationToken(REPOSITORY);
        assertThat(again.runId()).isEqualTo(first.runId());
        assertThat(runs("", token)).containsExactly(second.runId(), first.runId());
        assertThat(runs("?status=queued", token)).containsExactly(second.runId(), first.runId());
        assertThat(runs("?status=cancelled", token)).isEmpty();
        assertThat(runs("?created=%3E%3D2026-03-02T10:00:00Z", token)).isEmpty();
        JsonNode run =
                client.get("/repos/acme/firmware/actions/runs", token).body().at("/workflow_runs/1");
        assertThat(run.path("run_attempt").asInt()).isEqualTo(2);
        assertThat(run.path("created_at").asText()).isEqualTo("2026-03-01T10:00:00Z");
        assertThat(run.path("updated_at").asText()).isEqualTo("2026-03-03T10:00:00Z");
        String jobs = "/repos/acme/firmware/actions/runs/" + first.runId() + "/jobs";
        assertThat(client.get(jobs, token).body().path("jobs")).singleElement().satisfies(job -> assertThat(
                        job.path("id").asLong())
                .isEqualTo(again.id().value()));
        assertThat(client.get(jobs + "?filter=all", token).body().path("jobs")).hasSize(2);
    }

    @Test
    public void aStatusThatNoRunCanHaveIsRefused() throws Exception {
        assertThat(client.get("/repos/acme/firmware/actions/runs?status=bored", client.installationToken(REPOSITORY))
                        .status())
                .isEqualTo(422);
    }

    @Test
    public void everyAnswerSaysHowMuchIsLeftAndAfterAnHourCountingBeginsAnew() throws Exception {
        String token = client.installationToken(REPOSITORY);
        RawClient.Reply first = client.get(RUNNERS, token);
        assertThat(first.number("x-ratelimit-limit")).isEqualTo(5000);
        assertThat(first.number("X-RateLimit-Used")).isEqualTo(1);
        assertThat(first.number("X-RateLimit-Remaining")).isEqualTo(4999);
        assertThat(first.header("X-RateLimit-Resource")).contains("core");
        assertThat(Instant.ofEpochSecond(first.number("X-RateLimit-Reset")))
                .isEqualTo(clock.instant().plus(Duration.ofHours(1)));
        clock.advance(Duration.ofMinutes(30));
        RawClient.Reply second = client.get(RUNNERS, token);
        assertThat(second.number("X-RateLimit-Used")).isEqualTo(2);
        assertThat(second.header("X-RateLimit-Reset")).isEqualTo(first.header("X-RateLimit-Reset"));
        // Another installation, and the App itself, have counts of their own.
        assertThat(client.get(
                                "/repos/other/firmware/actions/runners",
                                client.installationToken(new RepositoryId("other", "firmware")))
                        .number("X-RateLimit-Used"))
                .isEqualTo(1);
        clock.advance(Duration.ofMinutes(30));
        assertThat(client.get(RUNNERS, client.installationToken(REPOSITORY)).number("X-RateLimit-Used"))
                .isEqualTo(1);
    }

    @Test
    public void whoAsksTooMuchIsForbiddenUntilTheHourIsOver() throws Exception {
        github.faults().rateLimit(3);
        String token = client.installationToken(REPOSITORY);
        for (int i = 0; i < 3; i++) {
            assertThat(client.get(RUNNERS, token).status()).isEqualTo(200);
        }
        RawClient.Reply refused = client.get(RUNNERS, token);
        assertThat(refused.status()).isEqualTo(403);
        assertThat(refused.message()).contains("rate limit exceeded");
        assertThat(refused.number("X-RateLimit-Remaining")).isZero();
        clock.advance(Duration.ofMinutes(61));
        assertThat(client.get(RUNNERS, client.installationToken(REPOSITORY)).status())
                .isEqualTo(200);
    }

    @Test
    public void aRunnerIsRegisteredWithAConfigurationForOneGuest() throws Exception {
        RawClient.Reply reply = register("forrest-build-1");
        assertThat(reply.status()).isEqualTo(201);
        JsonNode runner = reply.body().path("runner");
        assertThat(runner.path("status").asText()).isEqualTo("offline");
        assertThat(runner.path("id").longValue()).isGreaterThan(Integer.MAX_VALUE);
        assertThat(reply.body().path("encoded_jit_config").asText()).isNotBlank();
        assertThat(github.runners()).extracting(EmbeddedRunner::name).containsExactly("forrest-build-1");
    }

    @Test
    public void aNameIsTakenUntilItsRunnerIsGoneAndOnlyInItsRepository() throws Exception {
        long id = register("forrest-build-1").body().path("runner").path("id").longValue();
        RawClient.Reply taken = register("forrest-build-1");
        assertThat(taken.status()).isEqualTo(409);
        assertThat(taken.message()).contains("forrest-build-1", "already exists");
        String token = client.installationToken(REPOSITORY);
        assertThat(client.register(new RepositoryId("acme", "images"), token, jitRequest("forrest-build-1", "x"))
                        .status())
                .isEqualTo(201);
        assertThat(client.call("DELETE", RUNNERS + "/" + id, token, "").status())
                .isEqualTo(204);
        assertThat(client.call("DELETE", RUNNERS + "/" + id, token, "").status())
                .isEqualTo(404);
        assertThat(register("forrest-build-1").status()).isEqualTo(201);
    }

    @DataProvider
    public Object[][] badRegistrations() {
        String[] tooMany = new String[101];
        Arrays.fill(tooMany, "label");
        ObjectNode numberAsLabel = jitRequest("n", "x");
        numberAsLabel.withArray("labels").add(1);
        return new Object[][] {
            {jitRequest("n")},
            {jitRequest("n", tooMany)},
            {jitRequest("", "x")},
            {jitRequest("two words", "x")},
            {jitRequest("n".repeat(65), "x")},
            {numberAsLabel},
            {jitRequest("n", "x").put("runner_group_id", "1")},
            {jitRequest("n", "x").without("runner_group_id")},
            {jitRequest("n", "x").without("name")},
            {jitRequest("n", "x").without("labels")},
            {jitRequest("n", "x").put("labels", "x")},
            {jitRequest("n", "x").put("name", 7)},
        };
    }

    @Test(dataProvider = "badRegistrations")
    public void aRegistrationThatIsNotAsDescribedIsInvalid(ObjectNode request) throws Exception {
        RawClient.Reply reply = client.register(REPOSITORY, client.installationToken(REPOSITORY), request);
        assertThat(reply.status()).isEqualTo(422);
        assertThat(github.runners()).isEmpty();
    }

    @Test
    public void aBodyThatIsNotJsonIsABadRequest() throws Exception {
        RawClient.Reply reply =
                client.call("POST", RUNNERS + "/generate-jitconfig", client.installationToken(REPOSITORY), "{");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.message()).isEqualTo("Problems parsing JSON");
    }

    @Test
    public void callsThatDoNotExistAreNotFound() throws Exception {
        String token = client.installationToken(REPOSITORY);
        assertThat(client.get("/repos/acme/firmware/actions/runs/1/jobs", token).status())
                .isEqualTo(404);
        assertThat(client.call("PATCH", RUNNERS, token, "").status()).isEqualTo(404);
        assertThat(client.call("DELETE", RUNNERS + "/123456789012345678", token, "")
                        .status())
                .isEqualTo(404);
    }

    @Test
    public void runsAreFoundByTheirTimeAndStatusNewestFirst() throws Exception {
        String token = client.installationToken(REPOSITORY);
        EmbeddedJob old = job("old");
        clock.advance(Duration.ofMinutes(10));
        EmbeddedJob cancelled = job("cancelled");
        EmbeddedJob fresh = job("fresh");
        github.cancelJob(cancelled.id());
        assertThat(runs("", token)).containsExactly(fresh.runId(), cancelled.runId(), old.runId());
        assertThat(runs("?created=%3E%3D2026-03-01T10:05:00Z", token))
                .containsExactly(fresh.runId(), cancelled.runId());
        assertThat(runs("?status=queued", token)).containsExactly(fresh.runId(), old.runId());
        assertThat(runs("?status=completed", token)).containsExactly(cancelled.runId());
        assertThat(client.get("/repos/acme/firmware/actions/runs?created=yesterday", token)
                        .status())
                .isEqualTo(422);
        RawClient.Reply jobs = client.get("/repos/acme/firmware/actions/runs/" + old.runId() + "/jobs", token);
        assertThat(jobs.body().at("/jobs/0/id").longValue()).isEqualTo(old.id().value());
        assertThat(old.id().value()).isGreaterThan(Integer.MAX_VALUE);
    }

    private EmbeddedJob job(String name) {
        return github.job(github.queueJob(EmbeddedGitHub.JobRequest.push(REPOSITORY, name, "build", "true")));
    }

    private List<Long> runs(String query, String token) throws Exception {
        // The description has runs with 200 only; what is asked here can be refused, too.
        JsonNode body =
                client.get("/repos/acme/firmware/actions/runs" + query, token).body();
        List<Long> ids = new ArrayList<>();
        body.path("workflow_runs").forEach(run -> ids.add(run.path("id").longValue()));
        return ids;
    }

    @Test
    public void whatWasAskedIsRemembered() throws Exception {
        client.get("/app", client.appToken());
        client.get("/app", "nonsense");
        assertThat(github.requests()).containsExactly("GET /app 200", "GET /app 401");
    }
}
