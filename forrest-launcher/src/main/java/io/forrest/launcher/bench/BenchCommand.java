package io.forrest.launcher.bench;

import picocli.CommandLine.Command;

/** {@code forrest bench}: the benchmarks. */
@Command(
        name = "bench",
        description = "Measure how fast Forrest is on this host.",
        mixinStandardHelpOptions = true,
        subcommands = {DispatchBench.class, CloneBench.class, ArtifactBench.class, PollBench.class})
public final class BenchCommand {}
