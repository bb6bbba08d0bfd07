package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.Faults;
import io.forrest.github.embedded.GuestRunner;
import io.forrest.testing.JobSourceContract;
import io.forrest.testing.TestConfigs;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Plays the forge's part with the embedded GitHub. */
abstract class EmbeddedJobSourceContract extends JobSourceContract {
    private final Map<JobId, GuestRunner> runners = new HashMap<>();
    private Rig rig;

    final Rig rig() {
        return rig;
    }

    @Override
    protected void openForge() throws Exception {
        rig = new Rig(Clock.systemUTC());
        runners.clear();
    }

    @Override
    protected void closeForge() throws Exception {
        rig.close();
    }

    @Override
    protected JobId queueJob(List<String> labels) {
        return rig.github.queueJob(new EmbeddedGitHub.JobRequest(repository(), "build", "push", labels, "true", false));
    }

    @Override
    protected String startJob(JobId job) throws Exception {
        MachineId machine = MachineId.random(TestConfigs.typeId("build"));
        GuestRunner runner = new GuestRunner(new GitHubRunnerBroker(rig.connection())
                .register(machine)
                .jitConfig()
                .reveal());
        assertThat(runner.connect()).isEqualTo(204);
        assertThat(runner.takeJob()).contains("true");
        runners.put(job, runner);
        return machine.runnerName();
    }

    @Override
    protected void endJob(JobId job) throws Exception {
        if (runners.containsKey(job)) {
            assertThat(runners.get(job).end("success")).isEqualTo(204);
        } else {
            rig.github.cancelJob(job);
        }
    }

    @Override
    protected void breakDown() {
        rig.github.faults().failAll(Optional.of(Faults.Fault.status(502)));
    }

    @Override
    protected void repair() {
        rig.github.faults().failAll(Optional.empty());
    }
}
