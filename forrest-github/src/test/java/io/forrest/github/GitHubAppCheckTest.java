package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.HostProblem;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.Faults.Fault;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Who sets up an App is told everything that is wrong with it at once. */
public class GitHubAppCheckTest {
    private static final RepositoryId OTHER = new RepositoryId("acme", "other");

    private Rig rig;

    @BeforeMethod
    public void start() throws Exception {
        rig = new Rig(Clock.systemUTC());
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        rig.close();
    }

    private List<HostProblem> problems(RepositoryId... repositories) {
        return GitHubAppCheck.problems(rig.whole(rig.config(), repositories), rig.clock);
    }

    @Test
    public void aGoodAppHasNoProblems() {
        assertThat(problems(Rig.FIRMWARE)).isEmpty();
    }

    @Test
    public void eachRepositoryWithoutTheAppIsNamed() {
        assertThat(problems(OTHER, Rig.FIRMWARE, new RepositoryId("nobody", "nothing")))
                .extracting(HostProblem::where)
                .containsExactly("repositories.acme.other", "repositories.nobody.nothing");
        assertThat(problems(OTHER).get(0).toString()).contains("404", "Install the App");
    }

    @Test
    public void aKeyThatIsNoGoodIsTheOnlyProblem() throws Exception {
        Files.delete(rig.keyFile());
        assertThat(problems(OTHER)).singleElement().satisfies(problem -> {
            assertThat(problem.where()).isEqualTo("github");
            assertThat(problem.toString()).contains(rig.keyFile().toString(), "does not exist");
        });
    }

    @Test
    public void theKeyOfAnotherAppIsTheOnlyProblem() throws Exception {
        try (Rig other = new Rig(Clock.systemUTC())) {
            Files.delete(rig.keyFile());
            other.github.writeKey(rig.keyFile());
            assertThat(problems(OTHER)).singleElement().satisfies(problem -> assertThat(problem.toString())
                    .contains("401", "github.app_id", "github.jwt_key_file"));
        }
    }

    @Test
    public void gitHubsSilenceIsTheOnlyProblem() {
        rig.github.faults().failAll(Optional.of(Fault.status(503)));
        assertThat(problems(OTHER, Rig.FIRMWARE)).singleElement().satisfies(problem -> assertThat(problem.toString())
                .contains("503"));
    }

    private List<HostProblem> problems(Function<String, String> change) throws Exception {
        String installation = "{\"id\":1,\"suspended_at\":null,\"events\":[\"workflow_job\"],"
                + "\"permissions\":{\"administration\":\"write\",\"actions\":\"read\",\"metadata\":\"read\"}}";
        try (ScriptedServer server =
                new ScriptedServer(request -> ScriptedServer.Reply.of(200, change.apply(installation)), false)) {
            return GitHubAppCheck.problems(
                    rig.whole(rig.config(server.address(), Duration.ofMinutes(15)), Rig.FIRMWARE), rig.clock);
        }
    }

    @Test
    public void whatTheAppMayNotDoIsNamedWithTheWayOut() throws Exception {
        assertThat(problems(Function.identity())).isEmpty();
        assertProblem(
                text -> text.replace("\"administration\":\"write\"", "\"administration\":\"read\""), "Administration");
        assertProblem(text -> text.replace("\"administration\":\"write\",", ""), "Administration");
        assertProblem(text -> text.replace("\"actions\":\"read\",", ""), "Actions");
        assertProblem(text -> text.replace("workflow_job", "push"), "Workflow job");
        assertProblem(text -> text.replace("null", "\"2026-01-01T00:00:00Z\""), "suspended");
    }

    private void assertProblem(Function<String, String> change, String word) throws Exception {
        assertThat(problems(change)).singleElement().satisfies(problem -> {
            assertThat(problem.where()).isEqualTo("repositories.acme.firmware");
            assertThat(problem.toString()).contains(word);
        });
    }

    @Test
    public void allThatIsWrongIsSaidAtOnce() throws Exception {
        assertThat(problems(text -> "{\"id\":1}")).hasSize(3);
    }
}
