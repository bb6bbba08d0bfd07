package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedRunner;
import io.forrest.github.embedded.Faults.Fault;
import io.forrest.github.embedded.GitHubSchemas;
import io.forrest.spi.PluginException;
import io.forrest.spi.PluginException.Kind;
import io.forrest.spi.RunnerBroker.Removal;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.RunnerSighting;
import io.forrest.testing.TestConfigs;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What is particular to GitHub; the rest is in the contract. */
public class GitHubRunnerBrokerTest {
    private static final String ONE_RUNNER =
            "{\"id\":7,\"name\":\"n\",\"os\":\"linux\",\"status\":\"online\",\"busy\":true}";

    private final MachineId machine = MachineId.random(TestConfigs.typeId("build"));
    private Rig rig;
    private GitHubRunnerBroker broker;

    @BeforeMethod
    public void start() throws Exception {
        rig = new Rig(Clock.systemUTC());
        broker = new GitHubRunnerBroker(rig.connection());
    }

    @AfterMethod(alwaysRun = true)
    public void stop() throws Exception {
        rig.close();
    }

    private GitHubRunnerBroker to(ScriptedServer server) throws PluginException {
        return new GitHubRunnerBroker(rig.connection(server.address(), new RestConnector()));
    }

    private static Kind kind(ThrowingCallable call) {
        PluginException e = catchThrowableOfType(PluginException.class, call);
        assertThat(e).isNotNull();
        return e.kind();
    }

    @Test
    public void aRunnerHasTheLabelsOfItsTypeAndTheMachinesName() throws Exception {
        RunnerRegistration runner = broker.register(machine);
        EmbeddedRunner registered = rig.github.runners().get(0);
        assertThat(registered.name()).isEqualTo(machine.runnerName());
        assertThat(registered.labels()).containsExactly("self-hosted", "forrest", "build");
        assertThat(registered.id()).isEqualTo(runner.runnerId()).isGreaterThan(Integer.MAX_VALUE);
    }

    @Test
    public void whatIsSentIsAsGitHubDescribesIt() throws Exception {
        try (ScriptedServer server = new ScriptedServer(request ->
                ScriptedServer.Reply.of(201, "{\"runner\":" + ONE_RUNNER + ",\"encoded_jit_config\":\"e30=\"}"))) {
            assertThat(to(server).register(machine).runnerId()).isEqualTo(7);
            ScriptedServer.Request request = server.requests().get(0);
            assertThat(request.call()).isEqualTo("POST /repos/acme/firmware/actions/runners/generate-jitconfig");
            assertThat(request.headers()).containsEntry("content-type", "application/json");
            assertThat(GitHubSchemas.requestProblems(request.method(), request.path(), request.json()))
                    .isEmpty();
            assertThat(request.json().path("runner_group_id").intValue()).isEqualTo(1);
        }
    }

    @Test
    public void aRegistrationWithoutANumberOrAConfigurationIsTriedAgain() throws Exception {
        for (String answer :
                List.of("{}", "[]", "{\"runner\":" + ONE_RUNNER + "}", "{\"encoded_jit_config\":\"e30=\"}")) {
            try (ScriptedServer server = new ScriptedServer(request -> ScriptedServer.Reply.of(201, answer))) {
                assertThat(kind(() -> to(server).register(machine))).isEqualTo(Kind.RETRY_LATER);
            }
        }
    }

    @Test
    public void aRegistrationIsNeverRepeatedByItself() throws Exception {
        broker.list(Rig.FIRMWARE);
        rig.github.faults().failNext(1, Fault.cut());
        assertThat(kind(() -> broker.register(machine))).isEqualTo(Kind.RETRY_LATER);
        rig.github.faults().failNext(1, Fault.status(500));
        assertThat(kind(() -> broker.register(machine))).isEqualTo(Kind.RETRY_LATER);
        assertThat(rig.requests("POST /repos/")).hasSize(2);
        assertThat(rig.github.runners()).isEmpty();
    }

    @DataProvider
    public Object[][] lostAnswers() {
        return new Object[][] {{Fault.cutThoughDone()}, {Fault.half()}, {Fault.statusThoughDone(502)}};
    }

    @Test(dataProvider = "lostAnswers")
    public void aRunnerWhoseRegistrationHadNoAnswerIsRemovedAtOnce(Fault fault) throws Exception {
        broker.list(Rig.FIRMWARE);
        rig.github.faults().failNext(1, fault);
        assertThat(kind(() -> broker.register(machine))).isEqualTo(Kind.RETRY_LATER);
        assertThat(rig.github.runners()).isEmpty();
        assertThat(rig.requests("POST /repos/")).hasSize(1);
    }

    @Test
    public void aRunnerWhoseRegistrationHadNoAnswerIsRemovedWhenGitHubIsBack() throws Exception {
        broker.list(Rig.FIRMWARE);
        rig.github.faults().failNext(1, Fault.cutThoughDone());
        // Nor can it be looked for: a GET is sent twice when its connection is cut.
        rig.github.faults().failNext(2, Fault.cut());
        assertThat(kind(() -> broker.register(machine))).isEqualTo(Kind.RETRY_LATER);
        assertThat(rig.github.runners()).hasSize(1);
        assertThat(broker.list(Rig.FIRMWARE)).isEmpty();
        assertThat(rig.github.runners()).isEmpty();
    }

    @Test
    public void runnersOfOthersStayWhenAnAnswerWasLost() throws Exception {
        MachineId other = MachineId.random(TestConfigs.typeId("build"));
        broker.register(other);
        rig.github.faults().failNext(1, Fault.cutThoughDone());
        assertThat(kind(() -> broker.register(machine))).isEqualTo(Kind.RETRY_LATER);
        assertThat(rig.github.runners()).extracting(EmbeddedRunner::name).containsExactly(other.runnerName());
    }

    @Test
    public void aNameThatIsTakenCostsARequestAndNoRunner() throws Exception {
        broker.register(machine);
        int before = rig.github.requests().size();
        assertThatThrownBy(() -> broker.register(machine)).hasMessageContaining("already exists");
        assertThat(rig.github.requests()).hasSize(before + 1);
        assertThat(rig.github.runners()).extracting(EmbeddedRunner::name).containsExactly(machine.runnerName());
    }

    @DataProvider
    public Object[][] removals() {
        return new Object[][] {{204, Removal.REMOVED}, {404, Removal.ALREADY_GONE}, {422, Removal.BUSY}};
    }

    @Test(dataProvider = "removals")
    public void aRemovalIsReadFromItsStatus(int status, Removal removal) throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                request -> ScriptedServer.Reply.of(status, status == 204 ? "" : "{\"message\":\"no\"}"))) {
            assertThat(to(server).remove(Rig.FIRMWARE, 5_000_000_007L)).isEqualTo(removal);
            assertThat(server.requests())
                    .extracting(ScriptedServer.Request::call)
                    .containsExactly("DELETE /repos/acme/firmware/actions/runners/5000000007");
        }
    }

    @Test
    public void aRunnerIsNotGoneBecauseTheAppIs() {
        // GitHub says 404 here as well, but of the installation.
        assertThat(kind(() -> broker.remove(new RepositoryId("nobody", "nothing"), 7)))
                .isEqualTo(Kind.REJECTED);
    }

    @Test
    public void anAnswerWithoutAListIsNotAnEmptyList() throws Exception {
        try (ScriptedServer server =
                new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{\"total_count\":3}"))) {
            assertThat(kind(() -> to(server).list(Rig.FIRMWARE))).isEqualTo(Kind.RETRY_LATER);
        }
    }

    @Test
    public void aSecondPageThatFailsIsNoShortList() throws Exception {
        try (ScriptedServer server =
                new ScriptedServer(request -> request.path().contains("page=2")
                        ? ScriptedServer.Reply.of(502, "")
                        : new ScriptedServer.Reply(
                                200,
                                "{\"total_count\":2,\"runners\":[" + ONE_RUNNER + "]}",
                                Map.of(
                                        "Link",
                                        "<http://" + request.headers().get("host")
                                                + "/repositories/1/actions/runners?page=2>;" + " rel=\"next\"")))) {
            assertThat(kind(() -> to(server).list(Rig.FIRMWARE))).isEqualTo(Kind.RETRY_LATER);
            assertThat(server.requests()).hasSize(2);
        }
    }

    @Test
    public void noTokenIsSentToANextPageElsewhere() throws Exception {
        try (ScriptedServer elsewhere =
                        new ScriptedServer(request -> ScriptedServer.Reply.of(200, "{\"runners\":[]}"));
                ScriptedServer server = new ScriptedServer(request -> new ScriptedServer.Reply(
                        200,
                        "{\"runners\":[]}",
                        Map.of("Link", "<" + elsewhere.address() + "/x?page=2>; rel=\"next\"")))) {
            assertThatThrownBy(() -> to(server).list(Rig.FIRMWARE)).hasMessageContaining("github.api_url");
            assertThat(elsewhere.requests()).isEmpty();
        }
    }

    @Test
    public void aNextPageThatIsNoAddressIsAnOutage() throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                request -> new ScriptedServer.Reply(200, "{\"runners\":[]}", Map.of("Link", "<:// >; rel=\"next\"")))) {
            assertThat(kind(() -> to(server).list(Rig.FIRMWARE))).isEqualTo(Kind.RETRY_LATER);
        }
    }

    @Test
    public void sightingsAreReadFromTheDescriptionsWords() throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                request -> ScriptedServer.Reply.of(200, "{\"total_count\":1,\"runners\":[" + ONE_RUNNER + "]}"))) {
            assertThat(to(server).list(Rig.FIRMWARE)).containsExactly(new RunnerSighting(7, "n", true, true));
        }
    }
}
