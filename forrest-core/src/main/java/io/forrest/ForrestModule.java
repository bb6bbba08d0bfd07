package io.forrest;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import com.google.inject.multibindings.Multibinder;
import com.google.inject.multibindings.OptionalBinder;
import io.forrest.config.ConfigSource;
import io.forrest.fleet.FleetTimings;
import io.forrest.spi.GuestVolumes;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.ImageStore;
import io.forrest.spi.JobSource;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.RunnerBroker;
import java.time.Clock;
import java.util.Optional;
import java.util.Set;

/**
 * Binds {@link Forrest} from its parts, which other modules bind: {@link ConfigSource}, {@link ImageStore},
 * {@link GuestVolumes}, {@link Hypervisor}, {@link RunnerBroker}, and any number of {@link JobSource}s and
 * {@link ForrestListener}s with a {@link Multibinder}. {@link Clock} and {@link FleetTimings} have defaults, and
 * {@link RunnerArchives} may be left out.
 */
public final class ForrestModule extends AbstractModule {
    @Override
    protected void configure() {
        Multibinder.newSetBinder(binder(), JobSource.class);
        Multibinder.newSetBinder(binder(), ForrestListener.class);
        OptionalBinder.newOptionalBinder(binder(), RunnerArchives.class);
        OptionalBinder.newOptionalBinder(binder(), Clock.class).setDefault().toInstance(Clock.systemUTC());
        OptionalBinder.newOptionalBinder(binder(), FleetTimings.class)
                .setDefault()
                .toInstance(FleetTimings.DEFAULT);
    }

    @Provides
    @Singleton
    Forrest forrest(
            ConfigSource config,
            ImageStore images,
            GuestVolumes volumes,
            Hypervisor hypervisor,
            RunnerBroker runners,
            Optional<RunnerArchives> runnerArchives,
            Set<JobSource> sources,
            Set<ForrestListener> listeners,
            FleetTimings timings,
            Clock clock) {
        Forrest.Builder builder = Forrest.builder(config)
                .imageStore(images)
                .guestVolumes(volumes)
                .hypervisor(hypervisor)
                .runnerBroker(runners)
                .timings(timings)
                .clock(clock);
        runnerArchives.ifPresent(builder::runnerArchives);
        sources.forEach(builder::jobSource);
        listeners.forEach(builder::listener);
        return builder.build();
    }
}
