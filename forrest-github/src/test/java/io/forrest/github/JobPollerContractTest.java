package io.forrest.github;

import io.forrest.config.GitHubConfig;
import io.forrest.spi.JobSource;
import java.time.Duration;

/** The poller does what every job source does. */
public class JobPollerContractTest extends EmbeddedJobSourceContract {
    @Override
    protected JobSource source() throws Exception {
        GitHubConfig config = rig().config(rig().github.apiUrl(), Duration.ofMillis(100));
        return new JobPoller(rig().connection(), config, rig().source(repository()), rig().clock, rig().pollingState());
    }
}
