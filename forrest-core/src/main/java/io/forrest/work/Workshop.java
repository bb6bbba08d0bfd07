package io.forrest.work;

import io.forrest.fleet.FleetEvent;
import io.forrest.spi.GuestVolumes;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.ImageStore;
import io.forrest.spi.RunnerArchives;
import io.forrest.spi.RunnerBroker;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What a machine is made with.
 *
 * @param baseDirectory where run directories are
 * @param runnerArchives empty if the runner is always left to setup templates
 * @param events takes what happened; never blocks
 */
public record Workshop(
        Path baseDirectory,
        ImageStore images,
        GuestVolumes volumes,
        Hypervisor hypervisor,
        RunnerBroker runners,
        Optional<RunnerArchives> runnerArchives,
        Clock clock,
        Consumer<FleetEvent> events) {}
