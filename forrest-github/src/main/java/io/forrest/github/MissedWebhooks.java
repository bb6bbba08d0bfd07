package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.config.GitHubConfig;
import io.forrest.spi.JobSink;
import io.forrest.spi.JobSource;
import io.forrest.spi.PluginException;
import java.net.URI;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks GitHub for webhooks again that did not arrive: it never does so by itself ("Handling failed webhook deliveries" in its
 * documentation). At the start and every polling interval it reads the list of the App's deliveries, up to where the last look
 * ended. A webhook is asked for once, and once more each time that it fails again, three times in all. One that Forrest itself
 * has refused is not asked for: its answer would be the same.
 *
 * <p>What comes again comes as a webhook, so this source tells nobody of jobs itself. What was asked for is kept in a file, so
 * that a daemon that is started again and again does not ask each time. Thread-safe.
 */
public final class MissedWebhooks implements JobSource {
    private static final Logger LOG = LoggerFactory.getLogger(MissedWebhooks.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** GitHub cancels a job that has waited for a runner for 24 hours: what is older tells of nothing that could be run. */
    private static final Duration LOOK_BACK = Duration.ofHours(24);

    /** A delivery is listed when it has ended, 10 s after its time at the latest. */
    private static final Duration LISTS_LAG = Duration.ofMinutes(1);

    /** The HTTP server that is to take them starts meanwhile. */
    private static final Duration START_DELAY = Duration.ofSeconds(2);

    /** By then what was asked for has come. */
    private static final Duration ARRIVAL = Duration.ofSeconds(15);

    private static final int MOST_TIMES = 3;

    /** Of one look: GitHub bears with 80 requests a minute that make it do something. */
    private static final int MOST_ASKED_FOR = 60;

    /** Of a hundred deliveries. With more than that in one interval, the poller has to find what was missed. */
    private static final int MOST_PAGES = 20;

    private static final int MOST_REMEMBERED = 2000;
    private static final String LIST = "/app/hook/deliveries";
    private static final int NOT_FOUND = 404;

    private final GitHubConnection connection;
    private final Runnable whenAskedFor;
    private final StateFile file;
    private final Turns<MissedWebhooks> turns;
    private final Executor later;

    // Only by the look that is under way.
    private Optional<Instant> seen;
    private final Map<String, Asked> asked = new TreeMap<>();
    private boolean isUnknown;

    /**
     * @param whenAskedFor called some seconds after webhooks were asked for, which may tell of what is over by now; returns at
     *     once
     * @param state a file to be made in a directory that is there once this is started
     */
    public MissedWebhooks(GitHubConnection connection, GitHubConfig github, Path state, Runnable whenAskedFor) {
        this(connection, github, state, whenAskedFor, ARRIVAL, new Random());
    }

    /**
     * @param arrival how long after asking for webhooks {@code whenAskedFor} is called
     * @param random spreads retries
     */
    MissedWebhooks(
            GitHubConnection connection,
            GitHubConfig github,
            Path state,
            Runnable whenAskedFor,
            Duration arrival,
            RandomGenerator random) {
        this.connection = connection;
        this.whenAskedFor = whenAskedFor;
        this.later = CompletableFuture.delayedExecutor(arrival.toMillis(), TimeUnit.MILLISECONDS);
        this.file = new StateFile(state);
        JsonNode kept = file.read();
        this.seen = instant(kept.path("seen"));
        kept.path("asked").properties().forEach(entry -> {
            JsonNode what = entry.getValue();
            instant(what.path("at"))
                    .ifPresent(at -> asked.put(
                            entry.getKey(),
                            new Asked(
                                    what.path("delivery").asLong(),
                                    what.path("times").asInt(),
                                    at)));
        });
        this.turns = new Turns<>("forrest-webhooks", 1, new Deliveries(), github.pollingInterval(), random);
        connection.whenBack(turns::wake);
    }

    /**
     * How a webhook was asked for.
     *
     * @param delivery GitHub's number of the latest delivery that was asked for
     */
    private record Asked(long delivery, int times, Instant at) {}

    /**
     * A line of GitHub's list.
     *
     * @param guid the same for all deliveries of a webhook
     */
    private record Delivery(long id, String guid, Instant at, int status, String event) {
        static Delivery of(JsonNode item) throws PluginException {
            Optional<Instant> at = instant(item.path("delivered_at"));
            if (at.isEmpty()
                    || !item.path("id").canConvertToLong()
                    || !item.path("guid").isTextual()) {
                throw new PluginException(
                        PluginException.Kind.RETRY_LATER, "GitHub lists a delivery of a webhook that cannot be read.");
            }
            return new Delivery(
                    item.path("id").longValue(),
                    item.path("guid").textValue(),
                    at.get(),
                    item.path("status_code").asInt(),
                    item.path("event").asText());
        }

        /** As GitHub divides them. */
        boolean isGood() {
            return status >= 200 && status < 400;
        }

        /** With Forrest's own words for: not for me. */
        boolean isRefused() {
            return status == 400 || status == 401;
        }
    }

    private static Optional<Instant> instant(JsonNode text) {
        try {
            return Optional.ofNullable(text.textValue()).map(Instant::parse);
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    @Override
    public String name() {
        return "missed webhooks";
    }

    /** Nothing is told to {@code observer}. */
    @Override
    public void start(JobSink observer) {
        turns.start(START_DELAY);
    }

    /** Looks at once; complete once GitHub was asked for what is missing, in vain or not. */
    public CompletableFuture<Void> look() {
        return turns.now();
    }

    @Override
    public void close() {
        turns.close();
    }

    private void askForMissed() throws PluginException {
        List<Delivery> deliveries = deliveries();
        // Newest first: whoever hears of a job's end before its beginning starts nothing for it.
        Map<String, Delivery> missing = new LinkedHashMap<>();
        for (Delivery delivery : deliveries) {
            if (delivery.event().equals("workflow_job")) {
                missing.putIfAbsent(delivery.guid(), delivery);
            }
        }
        deliveries.stream().filter(Delivery::isGood).map(Delivery::guid).forEach(guid -> {
            missing.remove(guid);
            asked.remove(guid);
        });
        missing.values().removeIf(delivery -> delivery.isRefused() || !isToBeAskedFor(delivery));
        int count = 0;
        for (Delivery delivery : missing.values()) {
            if (count == MOST_ASKED_FOR) {
                break;
            }
            askFor(delivery);
            count++;
        }
        if (count < MOST_ASKED_FOR) {
            seen = deliveries.stream().map(Delivery::at).max(Instant::compareTo).or(() -> seen);
        }
        if (count > 0) {
            LOG.info("Asked GitHub for {} webhooks again that did not arrive.", count);
            later.execute(whenAskedFor);
        }
    }

    /** Newest first, up to those of the last look. */
    private List<Delivery> deliveries() throws PluginException {
        Instant back = connection.now().minus(LOOK_BACK);
        Instant until =
                seen.map(time -> time.minus(LISTS_LAG)).filter(back::isBefore).orElse(back);
        List<Delivery> deliveries = new ArrayList<>();
        Optional<URI> page = Optional.of(connection.address(LIST + "?per_page=100"));
        for (int pages = 0; page.isPresent() && pages < MOST_PAGES; pages++) {
            RestAnswer answer = connection.asApp("GET", page.get());
            page = answer.nextPage();
            for (JsonNode item : answer.body()) {
                Delivery delivery = Delivery.of(item);
                if (delivery.at().isBefore(until)) {
                    page = Optional.empty();
                } else {
                    deliveries.add(delivery);
                }
            }
        }
        return deliveries;
    }

    private boolean isToBeAskedFor(Delivery delivery) {
        Asked before = asked.get(delivery.guid());
        return before == null || (before.delivery() < delivery.id() && before.times() < MOST_TIMES);
    }

    private void askFor(Delivery delivery) throws PluginException {
        int times = Optional.ofNullable(asked.get(delivery.guid()))
                        .map(Asked::times)
                        .orElse(0)
                + 1;
        try {
            connection.asApp("POST", connection.address(LIST + "/" + delivery.id() + "/attempts"));
        } catch (GitHubRefusal e) {
            if (e.kind() != PluginException.Kind.REJECTED) {
                throw e;
            }
            LOG.info("GitHub does not send a webhook again: {}", e.getMessage());
        }
        asked.put(delivery.guid(), new Asked(delivery.id(), times, connection.now()));
        if (times == MOST_TIMES) {
            LOG.warn(
                    "A webhook of {} was asked for {} times and is not asked for any more.",
                    delivery.at().truncatedTo(ChronoUnit.SECONDS),
                    times);
        }
    }

    /** What is too old to be in a list again need not be known. */
    private void forget() {
        Instant old = connection.now().minus(LOOK_BACK).minus(LISTS_LAG);
        asked.values().removeIf(entry -> entry.at().isBefore(old));
        asked.entrySet().stream()
                .sorted(Map.Entry.comparingByValue((a, b) -> b.at().compareTo(a.at())))
                .skip(MOST_REMEMBERED)
                .map(Map.Entry::getKey)
                .toList()
                .forEach(asked::remove);
    }

    /** There is one list to look at. */
    private final class Deliveries implements Turns.Subject<MissedWebhooks> {
        @Override
        public Set<MissedWebhooks> all() {
            return Set.of(MissedWebhooks.this);
        }

        @Override
        public void look(MissedWebhooks one) throws PluginException {
            try {
                askForMissed();
                isUnknown = false;
            } catch (GitHubRefusal e) {
                if (e.status() != NOT_FOUND) {
                    throw e;
                }
                if (!isUnknown) {
                    isUnknown = true;
                    LOG.info("This GitHub keeps no list of webhooks; those that do not arrive are left to polling.");
                }
            }
        }

        @Override
        public String name(MissedWebhooks one) {
            return "webhooks that did not arrive";
        }

        @Override
        public Duration pause(MissedWebhooks one) {
            return connection.pause(Optional.empty());
        }

        @Override
        public boolean isKnown(Exception failure) {
            return connection.isKnown(failure);
        }

        @Override
        public void rest() {
            forget();
            ObjectNode state = JSON.createObjectNode();
            seen.ifPresent(time -> state.put("seen", time.toString()));
            ObjectNode all = state.putObject("asked");
            asked.forEach((guid, what) -> all.putObject(guid)
                    .put("delivery", what.delivery())
                    .put("times", what.times())
                    .put("at", what.at().truncatedTo(ChronoUnit.SECONDS).toString()));
            file.write(state);
        }
    }
}
