package io.forrest.work;

import io.forrest.domain.RepositoryId;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerSighting;
import io.forrest.spi.Vm;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Removes what an earlier Forrest left behind when it was killed: VMs, disks and runners of machines that are no more. */
public final class Janitor {
    private static final Logger LOG = LoggerFactory.getLogger(Janitor.class);
    private static final Duration LONGEST_STOP = Duration.ofSeconds(10);

    private final Workshop workshop;

    public Janitor(Workshop workshop) {
        this.workshop = workshop;
    }

    /**
     * Cleans up all unfinished runs. Blocks, and is to be called before the first machine starts. A run directory whose
     * VM cannot be ended keeps its files. Returns what could not be removed from the forge without asking it, for
     * {@link #removeRunners}.
     */
    public Map<RepositoryId, Set<String>> cleanUp() {
        List<RunDirectory> unfinished = new ArrayList<>();
        try {
            for (RunDirectory run : RunDirectory.all(workshop.baseDirectory())) {
                if (run.isUnfinished()) {
                    unfinished.add(run);
                }
            }
        } catch (IOException e) {
            LOG.warn("What an earlier Forrest may have left could not be looked at, and stays: {}", e.toString());
        }
        unfinished.forEach(this::cleanUp);
        return unfinished.stream()
                .collect(Collectors.groupingBy(
                        run -> run.machine().type().repository(),
                        TreeMap::new,
                        Collectors.mapping(run -> run.machine().runnerName(), Collectors.toSet())));
    }

    private void cleanUp(RunDirectory run) {
        try {
            Vm left = workshop.hypervisor().find(run.path()).orElse(null);
            if (left != null) {
                left.stop(Duration.ZERO);
                left.exit().toCompletableFuture().get(LONGEST_STOP.toMillis(), TimeUnit.MILLISECONDS);
            }
            run.removeVolumes();
            LOG.info("{} was left by an earlier Forrest: its disk is removed, its logs stay.", run.machine());
        } catch (PluginException | IOException | ExecutionException | TimeoutException e) {
            LOG.warn(
                    "{} was left by an earlier Forrest and cannot be removed, so its files stay in {}: {}",
                    run.machine(),
                    run.path(),
                    e.toString());
        } catch (RuntimeException | Error e) {
            LOG.error("A bug: what is left of {} stays in {}.", run.machine(), run.path(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Removes these runners, by name, as far as the forge answers; the sweep gets the others. Blocks. */
    public void removeRunners(Map<RepositoryId, Set<String>> names) {
        names.forEach((repository, runners) -> {
            try {
                for (RunnerSighting runner : workshop.runners().list(repository)) {
                    if (runners.contains(runner.name())) {
                        workshop.runners().remove(repository, runner.runnerId());
                    }
                }
            } catch (PluginException e) {
                LOG.info("Old runners of {} are left to the sweep: {}", repository, e.getMessage());
            } catch (RuntimeException | Error e) {
                LOG.error("A bug: old runners of {} are left to the sweep.", repository, e);
            }
        });
    }
}
