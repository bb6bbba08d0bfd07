package io.forrest.testing;

import io.forrest.domain.MachineId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.RunnerSighting;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** A forge's runners in memory, whose calls can be made to fail or to wait. Thread-safe. */
public final class FakeRunnerBroker implements RunnerBroker {
    private final Set<RepositoryId> repositories;
    private final CallHooks<Call> hooks = new CallHooks<>(Call.class);

    // Guarded by this.
    private final Map<Long, Runner> runners = new TreeMap<>();
    private long lastId = 100;

    /** What can be asked of it. */
    public enum Call {
        REGISTER,
        REMOVE,
        LIST
    }

    private record Runner(RepositoryId repository, RunnerSighting sighting) {
        Runner with(boolean online, boolean busy) {
            return new Runner(repository, new RunnerSighting(sighting.runnerId(), sighting.name(), online, busy));
        }
    }

    /** Has access to these repositories, and to no others. */
    public FakeRunnerBroker(RepositoryId... repositories) {
        this.repositories = Set.of(repositories);
    }

    /** What comes before its calls. */
    public CallHooks<Call> hooks() {
        return hooks;
    }

    @Override
    public RunnerRegistration register(MachineId machine) throws PluginException {
        hooks.enter(Call.REGISTER);
        requireAccess(machine.type().repository());
        long id = add(machine.type().repository(), machine.runnerName());
        return new RunnerRegistration(id, Secret.of("jit-" + id));
    }

    private synchronized long add(RepositoryId repository, String name) throws PluginException {
        if (runners.values().stream()
                .anyMatch(runner -> runner.repository().equals(repository)
                        && runner.sighting().name().equals(name))) {
            throw new PluginException(
                    PluginException.Kind.REJECTED, repository + " has a runner " + name + " already.");
        }
        long id = ++lastId;
        runners.put(id, new Runner(repository, new RunnerSighting(id, name, false, false)));
        return id;
    }

    private void requireAccess(RepositoryId repository) throws PluginException {
        if (!repositories.contains(repository)) {
            throw new PluginException(PluginException.Kind.REJECTED, "Forrest has no access to " + repository + ".");
        }
    }

    @Override
    public Removal remove(RepositoryId repository, long runnerId) throws PluginException {
        hooks.enter(Call.REMOVE);
        requireAccess(repository);
        synchronized (this) {
            Runner runner = runners.get(runnerId);
            if (runner == null || !runner.repository().equals(repository)) {
                return Removal.ALREADY_GONE;
            }
            if (runner.sighting().busy()) {
                return Removal.BUSY;
            }
            runners.remove(runnerId);
            return Removal.REMOVED;
        }
    }

    @Override
    public List<RunnerSighting> list(RepositoryId repository) throws PluginException {
        hooks.enter(Call.LIST);
        requireAccess(repository);
        return sightings(repository);
    }

    /** As {@link #list}, for tests: runs no hook. */
    public synchronized List<RunnerSighting> sightings(RepositoryId repository) {
        return runners.values().stream()
                .filter(runner -> runner.repository().equals(repository))
                .map(Runner::sighting)
                .toList();
    }

    /** Registers a runner that is not Forrest's, whatever its name, and returns its id. */
    public long registerElsewhere(RepositoryId repository, String name) throws PluginException {
        return add(repository, name);
    }

    /** The runner goes online, idle. Does nothing if there is none. */
    public void connect(long runnerId) {
        set(runnerId, true, false);
    }

    /** The runner has a job. Does nothing if there is none. */
    public void giveJob(long runnerId) {
        set(runnerId, true, true);
    }

    /** The runner loses its connection, idle. Does nothing if there is none. */
    public void disconnect(long runnerId) {
        set(runnerId, false, false);
    }

    private synchronized void set(long runnerId, boolean online, boolean busy) {
        runners.computeIfPresent(runnerId, (id, runner) -> runner.with(online, busy));
    }

    /** The runner's job is over, and the runner gone. */
    public synchronized void endJob(long runnerId) {
        runners.remove(runnerId);
    }

    /** The id of a runner by its name, as a guest knows its own. */
    public synchronized Optional<Long> runnerId(String name) {
        return runners.values().stream()
                .map(Runner::sighting)
                .filter(runner -> runner.name().equals(name))
                .map(RunnerSighting::runnerId)
                .findFirst();
    }
}
