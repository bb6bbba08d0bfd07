package io.forrest.launcher.chaos;

import com.google.inject.AbstractModule;
import io.forrest.config.ConfigException;
import io.forrest.fleet.FleetTimings;
import io.forrest.launcher.Daemon;
import io.forrest.launcher.ServeCommand;
import io.forrest.spi.PluginException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** As {@code forrest serve CONFIG}, but that it waits for seconds where that waits for minutes: in a process of its own. */
final class ChaosDaemon {
    private static final FleetTimings TIMINGS = FleetTimings.builder()
            .startTimeout(Duration.ofSeconds(60))
            .stopTimeout(Duration.ofSeconds(60))
            .jobNewsDelay(Duration.ofSeconds(15))
            .sweep(Duration.ofSeconds(4), Duration.ofSeconds(3), Duration.ofSeconds(10))
            .spaceInterval(Duration.ofSeconds(2))
            .startRetry(new FleetTimings.Retry(Duration.ofSeconds(1), Duration.ofSeconds(4)))
            .withdrawalRetry(new FleetTimings.Retry(Duration.ofSeconds(1), Duration.ofSeconds(4)))
            .build();

    private ChaosDaemon() {}

    public static void main(String[] arguments) throws InterruptedException {
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        PrintWriter errors = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        Daemon daemon;
        try {
            daemon = Daemon.of(Path.of(arguments[0]), new AbstractModule() {
                @Override
                protected void configure() {
                    bind(FleetTimings.class).toInstance(TIMINGS);
                }
            });
        } catch (ConfigException | PluginException e) {
            errors.println(e.getMessage());
            System.exit(1);
            return;
        }
        System.exit(ServeCommand.serve(daemon, errors));
    }
}
