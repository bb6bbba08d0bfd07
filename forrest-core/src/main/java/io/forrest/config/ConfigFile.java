package io.forrest.config;

import io.forrest.spi.HypervisorFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The configuration file. Read once when it is opened, and again whenever it has changed; a version with problems is
 * logged and the last good one stays.
 *
 * <p>What Forrest reads only when it starts ({@code host} but for {@code ram}, {@code disk_reserve} and
 * {@code retention}; and {@code github}) keeps its first value: {@link #current} never shows a value that is not the one in force.
 */
public final class ConfigFile implements ConfigSource, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ConfigFile.class);

    private static final long LOOK_EVERY_MILLIS = 1000;
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss");
    private static final DateTimeFormatter DAY_AND_TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

    private final Path file;
    private final List<HypervisorFactory> hypervisors;
    private final Clock clock;
    private final Consumer<String> news;
    private final Consumer<String> complaints;
    private final ForrestConfig atStart;
    private final CountDownLatch closed = new CountDownLatch(1);

    /** Written by the looking thread only. */
    private volatile ForrestConfig current;

    // Only the looking thread has these.
    private ForrestConfig lastRead;
    private ZonedDateTime readAt;
    private Stamp readStamp;
    private Stamp lastSeen;

    /** What tells one version of a file from another; nothing at all if there is no file. */
    private record Stamp(Optional<FileTime> modified, long sizeBytes, Optional<Object> fileKey) {
        /** Follows symbolic links. */
        static Stamp of(Path file) {
            try {
                BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
                return new Stamp(
                        Optional.of(attributes.lastModifiedTime()),
                        attributes.size(),
                        Optional.ofNullable(attributes.fileKey()));
            } catch (IOException e) {
                return new Stamp(Optional.empty(), 0, Optional.empty());
            }
        }
    }

    private ConfigFile(
            Path file,
            Collection<HypervisorFactory> hypervisors,
            Clock clock,
            Consumer<String> news,
            Consumer<String> complaints)
            throws ConfigException {
        this.file = file;
        this.hypervisors = List.copyOf(hypervisors);
        this.clock = clock;
        this.news = news;
        this.complaints = complaints;
        // Before the file is read: a change in between is then seen at the next look.
        this.readStamp = Stamp.of(file);
        this.lastSeen = readStamp;
        this.readAt = ZonedDateTime.now(clock);
        this.atStart = load(file, this.hypervisors).config();
        this.lastRead = atStart;
        this.current = atStart;
    }

    /**
     * Reads the file and goes on looking at it about once a second, on a thread of its own.
     *
     * @param hypervisors those that {@code host.hypervisor} may name; they check their settings
     * @param clock its zone is that of the times in the log
     * @throws ConfigException if it cannot be read or has problems
     */
    public static ConfigFile open(Path file, Collection<HypervisorFactory> hypervisors, Clock clock)
            throws ConfigException {
        ConfigFile opened = openUnwatched(file, hypervisors, clock, LOG::info, LOG::error);
        Thread watcher = new Thread(opened::lookUntilClosed, "forrest-config");
        watcher.setDaemon(true);
        watcher.start();
        return opened;
    }

    /** Like {@link #open}, but looks only when it is told to, and tells the caller what it would log. */
    static ConfigFile openUnwatched(
            Path file,
            Collection<HypervisorFactory> hypervisors,
            Clock clock,
            Consumer<String> news,
            Consumer<String> complaints)
            throws ConfigException {
        return new ConfigFile(file, hypervisors, clock, news, complaints);
    }

    /**
     * Reads a configuration file once.
     *
     * @throws ConfigException if it cannot be read or has problems; it carries all of them
     */
    public static LoadedConfig load(Path file, Collection<HypervisorFactory> hypervisors) throws ConfigException {
        ConfigInspection inspection = inspect(file, hypervisors);
        if (inspection.config().isEmpty()) {
            throw new ConfigException(file.toString(), inspection.problems());
        }
        return new LoadedConfig(inspection.config().get(), inspection.document().orElseThrow());
    }

    /** Reads a configuration file once and tells what can be said of it, however broken it is. */
    public static ConfigInspection inspect(Path file, Collection<HypervisorFactory> hypervisors) {
        ConfigProblems problems = new ConfigProblems();
        Optional<ConfigDocument> document = read(file, problems).flatMap(bytes -> ConfigDocument.read(bytes, problems));
        Optional<ConfigBinder.Bound> bound = document.map(tree -> ConfigBinder.bind(tree, hypervisors, problems));
        return new ConfigInspection(
                problems.sorted(),
                document,
                bound.flatMap(ConfigBinder.Bound::host),
                bound.flatMap(ConfigBinder.Bound::config));
    }

    private static Optional<byte[]> read(Path file, ConfigProblems problems) {
        if (!Files.exists(file)) {
            problems.addForFile(
                    Files.exists(file, LinkOption.NOFOLLOW_LINKS)
                            ? "The file is a symbolic link to nothing."
                            : "The file does not exist.",
                    "Give the path of a configuration file.");
            return Optional.empty();
        }
        if (!Files.isRegularFile(file)) {
            // Also keeps us from waiting for ever at a pipe.
            problems.addForFile("This is not a plain file.", "Give the path of a configuration file.");
            return Optional.empty();
        }
        try (InputStream bytes = Files.newInputStream(file)) {
            return Optional.of(bytes.readNBytes(ConfigDocument.MOST_BYTES + 1));
        } catch (IOException e) {
            problems.addForFile(
                    "The file cannot be read: " + e + ".",
                    "Let the user " + System.getProperty("user.name") + " read it.");
            return Optional.empty();
        }
    }

    @Override
    public ForrestConfig current() {
        return current;
    }

    private void lookUntilClosed() {
        try {
            while (!closed.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS)) {
                look();
            }
        } catch (InterruptedException e) {
            LOG.warn("{} is not looked at any more: the thread that did was interrupted.", file);
        }
    }

    /**
     * Reads the file again if it has changed and then stayed the same from one look to the next: a file that is just
     * being written is not read half. Never throws. Called by one thread at a time.
     */
    void look() {
        try {
            Stamp seen = Stamp.of(file);
            boolean settled = seen.equals(lastSeen);
            lastSeen = seen;
            if (settled && !seen.equals(readStamp)) {
                readStamp = seen;
                readAgain();
            }
        } catch (RuntimeException | StackOverflowError e) {
            // Machines are running: whatever went wrong here must neither reach them nor end the looking.
            complaints.accept(file + " could not be looked at: " + e + ". " + consequence());
        }
    }

    private void readAgain() {
        ZonedDateTime now = ZonedDateTime.now(clock);
        ForrestConfig read;
        try {
            read = load(file, hypervisors).config();
        } catch (ConfigException e) {
            complaints.accept(e.describe(consequence()));
            return;
        }
        List<String> waiting = keysForNextStart(read);
        lastRead = read;
        readAt = now;
        current = new ForrestConfig(
                new HostConfig(
                        atStart.host().baseDirectory(),
                        read.host().ram(),
                        read.host().diskReserve(),
                        atStart.host().listen(),
                        atStart.host().hypervisor(),
                        atStart.host().hypervisorSettings(),
                        read.host().runner(),
                        read.host().retention()),
                atStart.github(),
                read.repositories());
        news.accept(file + " has changed and was read again.");
        if (!waiting.isEmpty()) {
            news.accept(file + ": the change of " + String.join(", ", waiting)
                    + " takes effect at the next start of Forrest.");
        }
    }

    private String consequence() {
        boolean today = readAt.toLocalDate().equals(ZonedDateTime.now(clock).toLocalDate());
        return "Forrest keeps using the version read at " + readAt.format(today ? TIME : DAY_AND_TIME) + ".";
    }

    /** What changed since the last reading and is not what Forrest was started with. */
    private List<String> keysForNextStart(ForrestConfig read) {
        Map<String, Function<ForrestConfig, Object>> startKeys = new LinkedHashMap<>();
        startKeys.put("host.base_dir", config -> config.host().baseDirectory());
        startKeys.put("host.listen", config -> config.host().listen());
        startKeys.put("host.hypervisor", config -> config.host().hypervisor());
        startKeys.put(
                "host." + read.host().hypervisor(), config -> config.host().hypervisorSettings());
        startKeys.put("github.app_id", config -> config.github().appId());
        startKeys.put("github.jwt_key_file", config -> config.github().keyFile());
        startKeys.put("github.webhook_secret", config -> config.github().webhookSecret());
        startKeys.put("github.polling_interval", config -> config.github().pollingInterval());
        startKeys.put("github.api_url", config -> config.github().apiUrl());
        List<String> keys = new ArrayList<>();
        startKeys.forEach((key, value) -> {
            Object now = value.apply(read);
            if (!now.equals(value.apply(lastRead)) && !now.equals(value.apply(atStart))) {
                keys.add(key);
            }
        });
        return keys;
    }

    /** Ends the looking. {@link #current} goes on giving the last good version. A second call does nothing. */
    @Override
    public void close() {
        closed.countDown();
    }
}
