package io.forrest.github;

import io.forrest.config.ConfigSource;
import io.forrest.config.MachineType;
import io.forrest.domain.RepositoryId;
import io.forrest.download.Download;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerArchive;
import io.forrest.spi.RunnerArchives;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * GitHub's runner below {@code <base_dir>/runners}: downloaded once, checked, and kept up to date in the background for as
 * long as a machine type wants it.
 */
public final class RunnerArchiveCache implements RunnerArchives {
    private static final Logger LOG = LoggerFactory.getLogger(RunnerArchiveCache.class);

    /** There is a new version every few weeks, and GitHub turns one away that is older than a month. */
    private static final Duration BETWEEN_QUESTIONS = Duration.ofHours(6);

    private static final Duration FIRST_PAUSE = Duration.ofMinutes(1);
    private static final Duration LONGEST_PAUSE = Duration.ofHours(1);

    /** How soon a change of the configuration is noticed. */
    private static final Duration LOOK_AGAIN = Duration.ofMinutes(1);

    private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);
    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(5);

    private static final Duration LONGEST_SILENCE = Duration.ofSeconds(60);
    private static final Duration LONGEST_DOWNLOAD = Duration.ofMinutes(30);

    /** Today it has a fifth of it. */
    private static final long MOST_BYTES = 1L << 30;

    /** The newest, and the one that a machine may be about to start with when that comes. */
    private static final int KEPT = 2;

    private final GitHubConnection connection;
    private final ConfigSource config;
    private final Clock clock;
    private final RunnerFiles files;
    private final Download download;
    private final BackOff backOff;
    private final Thread thread = new Thread(this::runUntilClosed, "forrest-runner-archive");

    /** Those that are here, the one that GitHub last called the newest first. Of {@link #thread}. */
    private final List<RunnerArchive> kept = new ArrayList<>();

    private boolean checked;
    private boolean complained;

    // Guarded by this.
    private Optional<RunnerArchive> newest = Optional.empty();
    private Instant due = Instant.MIN;
    private boolean asked;
    private boolean busy;
    private boolean triedOnce;
    private boolean started;
    private boolean closed;

    /** Touches nothing yet. {@code baseDirectory} is Forrest's. */
    public RunnerArchiveCache(GitHubConnection connection, ConfigSource config, Path baseDirectory, Clock clock) {
        this(
                connection,
                config,
                baseDirectory,
                clock,
                new Download(LONGEST_SILENCE, LONGEST_DOWNLOAD, MOST_BYTES),
                new Random());
    }

    /** {@code random} spreads attempts. */
    RunnerArchiveCache(
            GitHubConnection connection,
            ConfigSource config,
            Path baseDirectory,
            Clock clock,
            Download download,
            RandomGenerator random) {
        this.connection = connection;
        this.config = config;
        this.clock = clock;
        this.files = new RunnerFiles(baseDirectory.resolve("runners"));
        this.download = download;
        this.backOff = new BackOff(FIRST_PAUSE, LONGEST_PAUSE, random);
        thread.setDaemon(true);
    }

    @Override
    public void start() {
        synchronized (this) {
            started = true;
        }
        thread.start();
    }

    @Override
    public synchronized Optional<RunnerArchive> newest() {
        if (newest.flatMap(RunnerArchive::file)
                .filter(file -> !Files.isReadable(file))
                .isPresent()) {
            LOG.warn("{} is gone, and is fetched anew.", newest.get().file().get());
            newest = newest.map(gone -> new RunnerArchive(gone.version(), gone.sha256(), Optional.empty()));
            due = Instant.MIN;
            triedOnce = false;
        }
        asked = true;
        notifyAll();
        long deadlineNanos = System.nanoTime() + LONGEST_WAIT.toNanos();
        long leftNanos = LONGEST_WAIT.toNanos();
        try {
            while (started && !closed && !isHere() && (busy || !triedOnce) && leftNanos > 0) {
                TimeUnit.NANOSECONDS.timedWait(this, leftNanos);
                leftNanos = deadlineNanos - System.nanoTime();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return newest;
    }

    private boolean isHere() {
        return newest.flatMap(RunnerArchive::file).isPresent();
    }

    private void runUntilClosed() {
        try {
            while (awaitDue()) {
                keepUpToDate();
            }
        } catch (InterruptedException e) {
            // Closed.
        }
    }

    /** Returns false once it is closed. */
    private synchronized boolean awaitDue() throws InterruptedException {
        while (!closed && !(clock.instant().compareTo(due) >= 0 && (asked || isWanted()))) {
            TimeUnit.NANOSECONDS.timedWait(this, LOOK_AGAIN.toNanos());
        }
        busy = !closed;
        return busy;
    }

    private boolean isWanted() {
        return !repositories().isEmpty();
    }

    /** Those with machine types that want it. */
    private NavigableSet<RepositoryId> repositories() {
        NavigableSet<RepositoryId> wanting = new TreeSet<>();
        config.current().repositories().forEach((id, repository) -> {
            if (repository.machines().values().stream().anyMatch(MachineType::getsRunnerFromHost)) {
                wanting.add(id);
            }
        });
        return wanting;
    }

    /** Never throws. */
    private void keepUpToDate() {
        Instant next = clock.instant().plus(BETWEEN_QUESTIONS);
        try {
            look();
            backOff.reset();
            complained = false;
        } catch (PluginException | IOException e) {
            next = clock.instant().plus(backOff.next());
            complain(e instanceof PluginException ? e.getMessage() : e.toString());
        } catch (RuntimeException | Error e) {
            next = clock.instant().plus(backOff.next());
            LOG.error("A bug: GitHub's runner is not looked for for now.", e);
        } finally {
            synchronized (this) {
                due = next;
                asked = false;
                busy = false;
                triedOnce = true;
                notifyAll();
            }
        }
    }

    private synchronized void complain(String why) {
        // Otherwise it is a line every hour, or one that says that this process ends.
        if (!complained && !closed) {
            complained = true;
            LOG.warn(
                    "GitHub's newest runner cannot be had, which is tried again and again; until then machines {}: {}",
                    isHere()
                            ? "get " + newest.get().version() + ", which is here"
                            : "start without, and their images or setup templates have to have one",
                    why);
        }
    }

    private void look() throws PluginException, IOException {
        if (!checked) {
            kept.addAll(files.check());
            checked = true;
        }
        kept.removeIf(archive -> !Files.isReadable(archive.file().orElseThrow()));
        // Nobody has to wait for GitHub any more.
        kept.stream().findFirst().ifPresent(this::publish);
        RunnerRelease release = ask();
        Optional<RunnerArchive> here = kept.stream()
                .filter(archive -> archive.version().equals(release.version())
                        && archive.sha256().equals(release.sha256()))
                .findFirst();
        if (here.isPresent()) {
            files.confirm(here.get(), clock.instant());
            kept.remove(here.get());
            kept.add(0, here.get());
        } else {
            announce(release);
            RunnerArchive fetched = fetch(release);
            kept.removeIf(archive -> archive.file().equals(fetched.file()));
            kept.add(0, fetched);
            LOG.info(
                    "GitHub's runner is {} now: {}.",
                    fetched.version(),
                    fetched.file().orElseThrow());
        }
        publish(kept.get(0));
        while (kept.size() > KEPT) {
            files.remove(kept.remove(kept.size() - 1));
        }
    }

    private synchronized void publish(RunnerArchive archive) {
        newest = Optional.of(archive);
        notifyAll();
    }

    /** Guests can fetch it by that themselves, should this host not be able to. */
    private synchronized void announce(RunnerRelease release) {
        if (!isHere()) {
            newest = Optional.of(new RunnerArchive(release.version(), release.sha256(), Optional.empty()));
        }
    }

    /** It is the same for all, so one answer is enough. */
    private RunnerRelease ask() throws PluginException {
        PluginException failure = new PluginException(
                PluginException.Kind.RETRY_LATER, "The configuration has no repository to ask GitHub for.");
        for (RepositoryId repository : repositories()) {
            try {
                return RunnerRelease.newest(connection, repository);
            } catch (PluginException e) {
                failure = e;
                if (connection.isAway()) {
                    break;
                }
            }
        }
        throw failure;
    }

    private RunnerArchive fetch(RunnerRelease release) throws PluginException, IOException {
        Path unfinished = files.unfinished(release.version());
        try {
            MessageDigest digest = RunnerFiles.newDigest();
            download.fetch(
                    release.address(), release.token(), unfinished, digest, this::checkSpace, (done, total) -> {});
            String found = RunnerFiles.hex(digest);
            if (!found.equals(release.sha256())) {
                throw new PluginException(
                        PluginException.Kind.REJECTED,
                        Download.spoken(release.address()) + " has the SHA-256 " + found + ", not " + release.sha256()
                                + ", which GitHub tells of its runner " + release.version() + ": it is thrown away.");
            }
            return files.keep(unfinished, release.version(), release.sha256(), clock.instant());
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    private void checkSpace(OptionalLong bytes) throws IOException, PluginException {
        long free = files.freeBytes();
        if (bytes.orElse(0) > free) {
            throw new PluginException(
                    PluginException.Kind.RETRY_LATER,
                    "it has " + bytes.getAsLong() + " bytes, and below host.base_dir " + free
                            + " are free. Make room there.");
        }
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        thread.interrupt();
        try {
            TimeUnit.NANOSECONDS.timedJoin(thread, LONGEST_CLOSE.toNanos());
            if (thread.isAlive()) {
                LOG.warn("{} did not end within {}; it is left to itself.", thread.getName(), LONGEST_CLOSE);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
