package io.forrest.launcher.chaos;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** What happened and when, on the screen and in a file, and for who asks later why something failed. Thread-safe. */
final class Chronicle implements AutoCloseable {
    private final PrintWriter screen;
    private final PrintWriter file;
    private final Clock clock;
    private final Instant start;

    // Guarded by this.
    private final List<Event> events = new ArrayList<>();

    private record Event(Instant at, String line) {}

    Chronicle(PrintWriter screen, Path file, Clock clock) throws IOException {
        this.screen = screen;
        this.file = new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8), true);
        this.clock = clock;
        this.start = clock.instant();
    }

    /** A line without a time. */
    synchronized void say(String line) {
        screen.println(line);
        screen.flush();
        note(line);
    }

    /** A line that only the file has. */
    synchronized void note(String line) {
        file.println(line);
    }

    /** Something happened now. */
    synchronized void happened(String what) {
        Event event = new Event(clock.instant(), what);
        events.add(event);
        say(words(event));
    }

    private String words(Event event) {
        return "%7.1f s  %s".formatted(Duration.between(start, event.at()).toMillis() / 1000.0, event.line());
    }

    /** What happened from one moment to another, as it was said. */
    synchronized List<String> between(Instant from, Instant to) {
        return events.stream()
                .filter(event -> !event.at().isBefore(from) && !event.at().isAfter(to))
                .map(this::words)
                .toList();
    }

    @Override
    public synchronized void close() {
        file.close();
    }
}
