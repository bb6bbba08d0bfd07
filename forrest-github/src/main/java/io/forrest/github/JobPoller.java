package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.config.ConfigSource;
import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.RepositoryId;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;

/**
 * Asks GitHub for jobs, at the start and every polling interval: webhooks get lost. Where nothing has changed, a look costs a
 * repository one request, and one for each of its runs that are not over, none of which counts against the rate limit.
 *
 * <p>How far lists were read is kept in a file, so that a restart does not begin anew. Thread-safe.
 */
public final class JobPoller implements JobSource {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** GitHub advises not to ask for much at the same time. */
    private static final int AT_ONCE = 4;

    private static final int MOST_FOLLOWED = 10_000;

    private final GitHubConnection connection;
    private final ConfigSource config;
    private final Clock clock;
    private final StateFile file;
    private final JsonNode stateAtStart;
    private final Turns<RepositoryId> turns;
    private final Outlet outlet = new Outlet();

    /** Jobs that others told of since the last look at their repository. */
    private final Map<JobId, JobObservation> followed = new ConcurrentHashMap<>();

    private final Map<RepositoryId, RunWatch> watches = new ConcurrentHashMap<>();

    /** {@code state} is a file to be made in a directory that is there once this is started. */
    public JobPoller(GitHubConnection connection, GitHubConfig github, ConfigSource config, Clock clock, Path state) {
        this(connection, github, config, clock, state, new Random());
    }

    /** {@code random} spreads retries. */
    JobPoller(
            GitHubConnection connection,
            GitHubConfig github,
            ConfigSource config,
            Clock clock,
            Path state,
            RandomGenerator random) {
        this.connection = connection;
        this.config = config;
        this.clock = clock;
        this.file = new StateFile(state);
        this.stateAtStart = file.read();
        this.turns = new Turns<>("forrest-poller", AT_ONCE, new Repositories(), github.pollingInterval(), random);
        connection.whenBack(turns::wake);
    }

    @Override
    public String name() {
        return "poll";
    }

    @Override
    public void start(JobSink observer) {
        outlet.open(observer);
        turns.start(Duration.ZERO);
    }

    @Override
    public void refresh() {
        if (outlet.isOpen()) {
            turns.soon();
        }
    }

    /** Looks at all repositories at once; complete once all were looked at, in vain or not. */
    public CompletableFuture<Void> poll() {
        return turns.now();
    }

    /**
     * Has the poller look for the end of a job that another source told of: its webhook may get lost, too. Never blocks;
     * from any thread.
     */
    public void follow(JobObservation job) {
        if (followed.size() < MOST_FOLLOWED) {
            followed.merge(job.job(), job, (a, b) -> a.status().compareTo(b.status()) > 0 ? a : b);
        }
    }

    @Override
    public void close() {
        outlet.close();
        turns.close();
    }

    /** The configuration's repositories, whatever they are at the moment. */
    private final class Repositories implements Turns.Subject<RepositoryId> {
        @Override
        public Set<RepositoryId> all() {
            Set<RepositoryId> repositories = config.current().repositories().keySet();
            watches.keySet().retainAll(repositories);
            followed.values().removeIf(job -> !repositories.contains(job.repository()));
            return repositories;
        }

        @Override
        public void look(RepositoryId repository) throws IOException, PluginException {
            RunWatch watch = watches.computeIfAbsent(
                    repository,
                    id -> new RunWatch(
                            id,
                            JobPoller.this.name(),
                            connection,
                            clock,
                            stateAtStart.path("repositories").path(id.toString()),
                            outlet::tell));
            for (JobObservation job : List.copyOf(followed.values())) {
                if (job.repository().equals(repository) && followed.remove(job.job(), job)) {
                    watch.follow(job);
                }
            }
            watch.look();
        }

        @Override
        public String name(RepositoryId repository) {
            return "the jobs of " + repository;
        }

        @Override
        public Duration pause(RepositoryId repository) {
            return connection.pause(Optional.of(repository));
        }

        @Override
        public boolean isKnown(Exception failure) {
            return connection.isKnown(failure);
        }

        @Override
        public void rest() {
            ObjectNode state = JSON.createObjectNode();
            ObjectNode repositories = state.putObject("repositories");
            new TreeMap<>(watches).forEach((id, watch) -> repositories.set(id.toString(), watch.state()));
            file.write(state);
        }
    }
}
