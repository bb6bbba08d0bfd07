package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.Faults;
import io.forrest.github.embedded.GuestRunner;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerRegistration;
import io.forrest.testing.RunnerBrokerContract;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Optional;

/** Our broker against the embedded GitHub does what every broker does. */
public class GitHubRunnerBrokerContractTest extends RunnerBrokerContract {
    private Rig rig;
    private GitHubConnection connection;

    @Override
    protected RunnerBroker broker() throws Exception {
        rig = new Rig(Clock.systemUTC());
        connection = rig.connection();
        return new GitHubRunnerBroker(connection);
    }

    @Override
    protected void closeForge() throws Exception {
        rig.close();
    }

    private static GuestRunner guest(RunnerRegistration runner) throws Exception {
        return new GuestRunner(runner.jitConfig().reveal());
    }

    @Override
    protected void connect(RunnerRegistration runner) throws Exception {
        assertThat(guest(runner).connect()).isEqualTo(204);
    }

    @Override
    protected void giveJob(RunnerRegistration runner) throws Exception {
        rig.github.queueJob(EmbeddedGitHub.JobRequest.push(repository(), "build", "build", "true"));
        assertThat(guest(runner).takeJob()).contains("true");
    }

    @Override
    protected void endJob(RunnerRegistration runner) throws Exception {
        assertThat(guest(runner).end("success")).isEqualTo(204);
    }

    @Override
    protected void registerElsewhere(String name) throws Exception {
        byte[] body = ("{\"name\":\"" + name + "\",\"runner_group_id\":1,\"labels\":[\"theirs\"]}")
                .getBytes(StandardCharsets.UTF_8);
        assertThat(connection
                        .asInstallation(
                                repository(),
                                "POST",
                                connection.address("/repos/" + repository() + "/actions/runners/generate-jitconfig"),
                                body)
                        .status())
                .isEqualTo(201);
    }

    @Override
    protected void breakDown() {
        rig.github.faults().failAll(Optional.of(Faults.Fault.status(503)));
    }
}
