package io.forrest.launcher;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import com.google.inject.multibindings.Multibinder;
import com.google.inject.multibindings.OptionalBinder;
import com.google.inject.name.Named;
import io.forrest.Forrest;
import io.forrest.config.ConfigSource;
import io.forrest.config.ForrestConfig;
import io.forrest.github.GitHubConnection;
import io.forrest.github.GitHubRunnerBroker;
import io.forrest.github.JobPoller;
import io.forrest.github.MissedWebhooks;
import io.forrest.github.RunnerArchiveCache;
import io.forrest.github.WebhookReceiver;
import io.forrest.images.FatVolumes;
import io.forrest.images.ReflinkImageStore;
import io.forrest.launcher.api.ApiRoutes;
import io.forrest.launcher.api.ApiServer;
import io.forrest.launcher.api.ArtifactRoutes;
import io.forrest.launcher.api.ControlRoutes;
import io.forrest.spi.GuestVolumes;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.ImageStore;
import io.forrest.spi.JobSource;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.RunnerBroker;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;

/** Chooses Forrest's own parts: reflink images, the configured hypervisor, GitHub with webhooks and polling, the API. */
final class LauncherModule extends AbstractModule {
    /** Names the server on the control socket. */
    static final String CONTROL = "control";

    private final ConfigSource config;
    private final ForrestConfig atStart;
    private final GitHubConnection gitHub;

    /** {@code atStart} is what is read only once: the host and the GitHub App. */
    LauncherModule(ConfigSource config, ForrestConfig atStart, GitHubConnection gitHub) {
        this.config = config;
        this.atStart = atStart;
        this.gitHub = gitHub;
    }

    @Override
    protected void configure() {
        bind(ConfigSource.class).toInstance(config);
        bind(GitHubConnection.class).toInstance(gitHub);
        bind(GuestVolumes.class).to(FatVolumes.class);
        OptionalBinder.newOptionalBinder(binder(), RunnerArchives.class)
                .setBinding()
                .to(RunnerArchiveCache.class);
        Multibinder<JobSource> sources = Multibinder.newSetBinder(binder(), JobSource.class);
        sources.addBinding().to(WebhookReceiver.class);
        sources.addBinding().to(JobPoller.class);
        sources.addBinding().to(MissedWebhooks.class);
    }

    private Path baseDirectory() {
        return atStart.host().baseDirectory();
    }

    @Provides
    @Singleton
    ImageStore images() {
        return new ReflinkImageStore(baseDirectory());
    }

    @Provides
    @Singleton
    Hypervisor hypervisor() {
        return Hypervisors.create(atStart.host());
    }

    @Provides
    @Singleton
    RunnerBroker runners() {
        return new GitHubRunnerBroker(gitHub);
    }

    @Provides
    @Singleton
    RunnerArchiveCache runnerArchives(Clock clock) {
        return new RunnerArchiveCache(gitHub, config, baseDirectory(), clock);
    }

    @Provides
    @Singleton
    WebhookReceiver webhooks(Clock clock, JobPoller poller) {
        WebhookReceiver webhooks = new WebhookReceiver(atStart.github(), config, clock);
        webhooks.followedBy(poller::follow);
        return webhooks;
    }

    @Provides
    @Singleton
    JobPoller poller(Clock clock) {
        return new JobPoller(
                gitHub, atStart.github(), config, clock, baseDirectory().resolve("polling.json"));
    }

    @Provides
    @Singleton
    MissedWebhooks missedWebhooks(JobPoller poller) {
        return new MissedWebhooks(gitHub, atStart.github(), baseDirectory().resolve("webhooks.json"), poller::refresh);
    }

    @Provides
    @Singleton
    ApiServer api(WebhookReceiver webhooks, Forrest forrest) {
        return new ApiServer(
                Daemon.apiSocket(baseDirectory()),
                ApiServer.Clients.EVERYBODY,
                atStart.host().listen(),
                new ArtifactRoutes(forrest.artifacts()),
                new ApiRoutes(webhooks));
    }

    @Provides
    @Singleton
    @Named(CONTROL)
    ApiServer control(Forrest forrest) {
        return new ApiServer(
                Daemon.controlSocket(baseDirectory()),
                ApiServer.Clients.OWNER,
                Optional.empty(),
                new ControlRoutes(forrest));
    }
}
