package io.forrest.launcher;

import com.google.inject.AbstractModule;
import com.google.inject.multibindings.Multibinder;
import io.forrest.ForrestListener;
import io.forrest.domain.JobId;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineOutcome;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.github.embedded.EmbeddedGitHub;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** A {@link TinyHost} with the real daemon, in this process. */
final class TinyFarm implements AutoCloseable {
    static final String TOKEN = TinyHost.TOKEN;
    private static final Duration LONGEST_JOB = Duration.ofMinutes(3);

    private final TinyHost host;
    private final Daemon daemon;
    private final Map<String, MachineSnapshot> machines = new ConcurrentHashMap<>();

    /**
     * Builds the guest and starts it all.
     *
     * @param ram what the host hands out; a machine has 128M
     * @param timings for tests that cannot wait for the usual ones
     * @param more lines of the machine type
     */
    TinyFarm(String ram, FleetTimings timings, String... more) throws Exception {
        host = new TinyHost(ram, more);
        daemon = Daemon.of(host.config(), new AbstractModule() {
            @Override
            protected void configure() {
                bind(FleetTimings.class).toInstance(timings);
                Multibinder.newSetBinder(binder(), ForrestListener.class)
                        .addBinding()
                        .toInstance(machine -> machines.put(machine.id().runnerName(), machine));
            }
        });
        daemon.start();
        host.sendWebhooks();
    }

    EmbeddedGitHub gitHub() {
        return host.gitHub();
    }

    Path machineImage() {
        return host.machineImage();
    }

    JobId queue(String name, String script) {
        return host.queue(name, script);
    }

    /** All machines that were ever heard of, as last heard of. */
    List<MachineSnapshot> machines() {
        return List.copyOf(machines.values());
    }

    /** The machine that has or had the job, as last heard of. */
    Optional<MachineSnapshot> machine(JobId job) {
        return gitHub().job(job).runnerName().flatMap(name -> Optional.ofNullable(machines.get(name)));
    }

    Optional<Path> runDirectory(JobId job) {
        return host.runDirectory(job);
    }

    /** Waits until the job's machine is gone; how that ended. */
    MachineOutcome outcome(JobId job) throws Exception {
        return Eventually.find("the end of the machine of " + gitHub().job(job).name(), LONGEST_JOB, () -> machine(job)
                .filter(machine -> machine.state() == MachineState.STOPPED)
                .flatMap(MachineSnapshot::outcome));
    }

    @Override
    public void close() {
        daemon.endMachines();
        daemon.close();
        host.close();
    }
}
