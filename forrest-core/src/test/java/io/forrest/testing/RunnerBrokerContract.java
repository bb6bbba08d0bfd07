package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerBroker.Removal;
import io.forrest.spi.RunnerRegistration;
import io.forrest.spi.RunnerSighting;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/**
 * What every {@link RunnerBroker} does. Extend it, and play the forge's and the guests' part.
 *
 * <p>Each hook returns when the forge's API would show what it did.
 */
public abstract class RunnerBrokerContract {
    private static final int THREADS = 8;
    private static final long PATIENCE_SECONDS = 60;

    private RunnerBroker broker;

    /** One for a forge of its own, which knows {@link #repository} and has no runners. Called before each test. */
    protected abstract RunnerBroker broker() throws Exception;

    /** Ends what {@link #broker} made. Called after each test. */
    protected void closeForge() throws Exception {}

    /** A guest starts its runner with its JIT configuration: it goes online. */
    protected abstract void connect(RunnerRegistration runner) throws Exception;

    /** A runner that is online is given a job. */
    protected abstract void giveJob(RunnerRegistration runner) throws Exception;

    /** The job of a busy runner is over, and with it the runner. */
    protected abstract void endJob(RunnerRegistration runner) throws Exception;

    /** Somebody else registers a runner of this name in {@link #repository}; it stays offline. */
    protected abstract void registerElsewhere(String name) throws Exception;

    /** The forge is down: no request is carried out any more until the test is over. */
    protected abstract void breakDown() throws Exception;

    /** A repository of the forge, with Forrest allowed in. */
    protected RepositoryId repository() {
        return TestConfigs.REPOSITORY;
    }

    /** A repository that Forrest has no access to. */
    protected RepositoryId strangeRepository() {
        return new RepositoryId("nobody", "nothing");
    }

    @BeforeMethod
    public void makeBroker() throws Exception {
        broker = broker();
    }

    @AfterMethod(alwaysRun = true)
    public void endForge() throws Exception {
        closeForge();
    }

    private MachineId newMachine() {
        return MachineId.random(new MachineTypeId(repository(), "build"));
    }

    private Optional<RunnerSighting> sighting(String name) throws PluginException {
        List<RunnerSighting> found = broker.list(repository()).stream()
                .filter(runner -> runner.name().equals(name))
                .toList();
        assertThat(found).hasSizeLessThanOrEqualTo(1);
        return found.stream().findFirst();
    }

    private static void assertKind(PluginException.Kind kind, Callable<?> call) {
        assertThatThrownBy(call::call)
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .message()
                .isNotBlank();
    }

    @Test
    public void aRunnerThatIsRegisteredIsListedUnderItsMachinesNameOfflineAndIdle() throws Exception {
        MachineId machine = newMachine();
        RunnerRegistration runner = broker.register(machine);
        assertThat(runner.jitConfig().reveal()).isNotBlank();
        assertThat(broker.list(repository()))
                .containsExactly(new RunnerSighting(runner.runnerId(), machine.runnerName(), false, false));
    }

    @Test
    public void aForgeWithoutRunnersListsNone() throws Exception {
        assertThat(broker.list(repository())).isEmpty();
    }

    @Test
    public void runnersHaveIdsAndConfigurationsOfTheirOwn() throws Exception {
        RunnerRegistration one = broker.register(newMachine());
        RunnerRegistration other = broker.register(newMachine());
        assertThat(one.runnerId()).isNotEqualTo(other.runnerId());
        assertThat(one.jitConfig()).isNotEqualTo(other.jitConfig());
    }

    @Test
    public void aNameThatIsTakenIsRejectedAndItsRunnerStaysAsItWas() throws Exception {
        MachineId machine = newMachine();
        RunnerRegistration first = broker.register(machine);
        assertKind(PluginException.Kind.REJECTED, () -> broker.register(machine));
        assertThat(broker.list(repository()))
                .extracting(RunnerSighting::runnerId)
                .containsExactly(first.runnerId());
    }

    @Test
    public void aRunnersLifeShowsInItsSightings() throws Exception {
        MachineId machine = newMachine();
        RunnerRegistration runner = broker.register(machine);
        connect(runner);
        assertThat(sighting(machine.runnerName()))
                .contains(new RunnerSighting(runner.runnerId(), machine.runnerName(), true, false));
        giveJob(runner);
        assertThat(sighting(machine.runnerName()))
                .contains(new RunnerSighting(runner.runnerId(), machine.runnerName(), true, true));
        endJob(runner);
        assertThat(sighting(machine.runnerName())).isEmpty();
    }

    @Test
    public void aRunnerIsRemovedOnceAndIsAlreadyGoneAfterThat() throws Exception {
        RunnerRegistration runner = broker.register(newMachine());
        assertThat(broker.remove(repository(), runner.runnerId())).isEqualTo(Removal.REMOVED);
        assertThat(broker.list(repository())).isEmpty();
        assertThat(broker.remove(repository(), runner.runnerId())).isEqualTo(Removal.ALREADY_GONE);
    }

    @Test
    public void aRunnerThatIsOnlineAndIdleCanBeRemoved() throws Exception {
        RunnerRegistration runner = broker.register(newMachine());
        connect(runner);
        assertThat(broker.remove(repository(), runner.runnerId())).isEqualTo(Removal.REMOVED);
        assertThat(broker.list(repository())).isEmpty();
    }

    @Test
    public void aRunnerAtWorkIsNotRemovedAndGoesOn() throws Exception {
        RunnerRegistration runner = broker.register(newMachine());
        connect(runner);
        giveJob(runner);
        assertThat(broker.remove(repository(), runner.runnerId())).isEqualTo(Removal.BUSY);
        assertThat(broker.list(repository())).singleElement().satisfies(seen -> assertThat(seen.busy())
                .isTrue());
        endJob(runner);
        assertThat(broker.remove(repository(), runner.runnerId())).isEqualTo(Removal.ALREADY_GONE);
    }

    @Test
    public void aRunnerThatNeverWasIsAlreadyGone() throws Exception {
        assertThat(broker.remove(repository(), 987_654_321)).isEqualTo(Removal.ALREADY_GONE);
    }

    @Test
    public void theNameOfARunnerThatIsGoneIsFreeAgain() throws Exception {
        MachineId machine = newMachine();
        broker.remove(repository(), broker.register(machine).runnerId());
        broker.register(machine);
        assertThat(sighting(machine.runnerName())).isPresent();
    }

    @Test
    public void othersRunnersAreListedToo() throws Exception {
        registerElsewhere("somebody-elses");
        MachineId machine = newMachine();
        broker.register(machine);
        assertThat(broker.list(repository()))
                .extracting(RunnerSighting::name)
                .containsExactlyInAnyOrder("somebody-elses", machine.runnerName());
    }

    @Test
    public void aListIsNotCutOffHoweverLongItIs() throws Exception {
        Set<String> names = new HashSet<>();
        for (int i = 0; i < 101; i++) {
            MachineId machine = newMachine();
            broker.register(machine);
            names.add(machine.runnerName());
        }
        assertThat(broker.list(repository()))
                .extracting(RunnerSighting::name)
                .containsExactlyInAnyOrderElementsOf(names);
    }

    @Test
    public void aRepositoryWithoutAccessIsRejected() {
        MachineId machine = MachineId.random(new MachineTypeId(strangeRepository(), "build"));
        assertKind(PluginException.Kind.REJECTED, () -> broker.register(machine));
        assertKind(PluginException.Kind.REJECTED, () -> broker.list(strangeRepository()));
    }

    @Test
    public void anOutageIsNoRefusal() throws Exception {
        RunnerRegistration runner = broker.register(newMachine());
        breakDown();
        assertKind(PluginException.Kind.RETRY_LATER, () -> broker.register(newMachine()));
        assertKind(PluginException.Kind.RETRY_LATER, () -> broker.list(repository()));
        assertKind(PluginException.Kind.RETRY_LATER, () -> broker.remove(repository(), runner.runnerId()));
    }

    @Test
    public void manyThreadsRegisterListAndRemoveAtOnce() throws Exception {
        List<RunnerRegistration> stay = new ArrayList<>();
        for (List<RunnerRegistration> ofThread : onAllThreads(() -> {
            List<RunnerRegistration> kept = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                kept.add(broker.register(newMachine()));
                RunnerRegistration brief = broker.register(newMachine());
                broker.list(repository());
                assertThat(broker.remove(repository(), brief.runnerId())).isEqualTo(Removal.REMOVED);
            }
            return kept;
        })) {
            stay.addAll(ofThread);
        }
        assertThat(broker.list(repository()))
                .extracting(RunnerSighting::runnerId)
                .containsExactlyInAnyOrderElementsOf(
                        stay.stream().map(RunnerRegistration::runnerId).toList());
    }

    @Test
    public void ofManyThatWantOneNameExactlyOneGetsIt() throws Exception {
        MachineId machine = newMachine();
        List<Boolean> won = onAllThreads(() -> {
            try {
                broker.register(machine);
                return true;
            } catch (PluginException e) {
                assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED);
                return false;
            }
        });
        assertThat(won).containsOnlyOnce(true);
    }

    @Test
    public void ofManyThatRemoveOneRunnerExactlyOneDoes() throws Exception {
        RunnerRegistration runner = broker.register(newMachine());
        assertThat(onAllThreads(() -> broker.remove(repository(), runner.runnerId())))
                .containsOnly(Removal.REMOVED, Removal.ALREADY_GONE)
                .containsOnlyOnce(Removal.REMOVED);
    }

    private static <T> List<T> onAllThreads(Callable<T> work) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        try {
            CyclicBarrier start = new CyclicBarrier(THREADS);
            List<Future<T>> futures = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                futures.add(pool.submit(() -> {
                    start.await();
                    return work.call();
                }));
            }
            List<T> results = new ArrayList<>();
            for (Future<T> future : futures) {
                results.add(future.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
            }
            return results;
        } finally {
            pool.shutdownNow();
        }
    }
}
