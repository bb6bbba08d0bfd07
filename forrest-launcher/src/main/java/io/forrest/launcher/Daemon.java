package io.forrest.launcher;

import com.google.inject.Guice;
import com.google.inject.Injector;
import com.google.inject.Key;
import com.google.inject.Module;
import com.google.inject.Stage;
import com.google.inject.name.Names;
import com.google.inject.util.Modules;
import io.forrest.Forrest;
import io.forrest.ForrestModule;
import io.forrest.HostCheckException;
import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ForrestConfig;
import io.forrest.domain.RepositoryId;
import io.forrest.github.GitHubConnection;
import io.forrest.launcher.api.ApiServer;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All of Forrest on this host: its configuration file, its machines and its HTTP APIs. Started once, closed once. */
public final class Daemon implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Daemon.class);

    private final ConfigFile configFile;
    private final GitHubConnection gitHub;
    private final Forrest forrest;
    private final ApiServer api;
    private final ApiServer control;

    private Daemon(ConfigFile configFile, GitHubConnection gitHub, Injector injector) {
        this.configFile = configFile;
        this.gitHub = gitHub;
        this.forrest = injector.getInstance(Forrest.class);
        this.api = injector.getInstance(ApiServer.class);
        this.control = injector.getInstance(Key.get(ApiServer.class, Names.named(LauncherModule.CONTROL)));
    }

    /**
     * Reads the configuration and the App's key, and puts the parts together; nothing runs yet.
     *
     * @param overrides Guice modules that replace parts, or add listeners
     * @throws ConfigException with every problem of the file
     * @throws PluginException {@code BROKEN} if the App's key is no good
     */
    public static Daemon of(Path file, Module... overrides) throws ConfigException, PluginException {
        Clock clock = Clock.systemUTC();
        // Its messages tell people the time.
        ConfigFile configFile = ConfigFile.open(file, Hypervisors.all(), Clock.system(ZoneId.systemDefault()));
        ForrestConfig atStart = configFile.current();
        try {
            GitHubConnection gitHub = new GitHubConnection(atStart.github(), clock);
            Module parts = Modules.combine(new ForrestModule(), new LauncherModule(configFile, atStart, gitHub));
            return new Daemon(
                    configFile,
                    gitHub,
                    Guice.createInjector(
                            Stage.PRODUCTION, Modules.override(parts).with(overrides)));
        } catch (PluginException e) {
            configFile.close();
            throw e;
        }
    }

    /** Where the API's Unix socket is; nginx sites name it. */
    public static Path apiSocket(Path baseDirectory) {
        return baseDirectory.resolve("api.sock");
    }

    /** Where its owner asks it, see {@link io.forrest.launcher.api.ControlRoutes}. */
    public static Path controlSocket(Path baseDirectory) {
        return baseDirectory.resolve("control.sock");
    }

    /**
     * Begins to take jobs and requests.
     *
     * @throws HostCheckException if no machine could run on this host
     * @throws IOException if the API cannot listen
     */
    public void start() throws HostCheckException, IOException {
        forrest.start();
        control.start();
        api.start();
        Thread warmUp = new Thread(this::prepareGitHub, "forrest-prepare");
        warmUp.setDaemon(true);
        warmUp.start();
    }

    /** The first job need not wait for what every job needs. */
    private void prepareGitHub() {
        for (RepositoryId repository : configFile.current().repositories().keySet()) {
            try {
                gitHub.prepare(repository);
            } catch (PluginException e) {
                LOG.warn("{} cannot have machines for now: {}", repository, e.getMessage());
            }
        }
    }

    public Forrest forrest() {
        return forrest;
    }

    /**
     * Ends all machines and removes what they leave, for whoever must leave nothing behind; {@link #close} is to follow.
     * Blocks for 20 seconds at most.
     */
    public void endMachines() {
        forrest.endMachines();
    }

    /** Ends the API and lets go of the machines: those that run go on, for the next to find. A second call does nothing. */
    @Override
    public void close() {
        api.close();
        control.close();
        forrest.close();
        configFile.close();
    }
}
