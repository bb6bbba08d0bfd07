package io.forrest.launcher;

import io.forrest.HostCheckException;
import io.forrest.config.ConfigException;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forrest serve}: the daemon, in the foreground, until SIGTERM or SIGINT. Its machines go on without it. */
@Command(
        name = "serve",
        description = "Run machines for queued jobs, until SIGTERM or Ctrl-C.",
        mixinStandardHelpOptions = true)
public final class ServeCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(ServeCommand.class);

    @Parameters(
            arity = "0..1",
            paramLabel = "CONFIG",
            defaultValue = "config.yaml",
            description = "default: ${DEFAULT-VALUE}")
    private Path config;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        return serve(config, spec.commandLine().getErr());
    }

    static int serve(Path config, PrintWriter errors) throws InterruptedException {
        Daemon daemon;
        try {
            daemon = Daemon.of(config);
        } catch (ConfigException | PluginException e) {
            errors.println(e.getMessage());
            return 1;
        }
        return serve(daemon, errors);
    }

    /** Starts it and runs it until SIGTERM or SIGINT; returns the exit code if that is not to be. Called once. */
    public static int serve(Daemon daemon, PrintWriter errors) throws InterruptedException {
        SystemdNotify systemd = SystemdNotify.fromEnvironment();
        AtomicBoolean failed = new AtomicBoolean();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(daemon, systemd, failed), "forrest-shutdown"));
        try {
            daemon.start();
        } catch (HostCheckException | IOException e) {
            failed.set(true);
            errors.println(e.getMessage());
            daemon.close();
            return 1;
        } catch (RuntimeException | Error e) {
            // Left to itself it would end as if somebody had asked it to, and systemd would not start it again.
            failed.set(true);
            LOG.error("A bug: Forrest cannot start.", e);
            daemon.close();
            return 1;
        }
        systemd.ready();
        LOG.info("Forrest is ready.");
        // The shutdown hook ends the process.
        new CountDownLatch(1).await();
        return 0;
    }

    private static void end(Daemon daemon, SystemdNotify systemd, AtomicBoolean failed) {
        if (failed.get()) {
            return;
        }
        systemd.stopping();
        LOG.info("Forrest ends.");
        daemon.close();
        LOG.info("Forrest has ended.");
        // A JVM that SIGTERM ended exits with 143, which systemd takes for a failure.
        Runtime.getRuntime().halt(0);
    }
}
