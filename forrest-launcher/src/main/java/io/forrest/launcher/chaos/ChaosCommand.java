package io.forrest.launcher.chaos;

import io.forrest.failpoint.FailPoint;
import io.forrest.launcher.Accelerators;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.demo.DemoStore;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forrest chaos}: everything fails, and nothing is lost. */
@Command(
        name = "chaos",
        description =
                "Kill the daemon, VMs and more while real jobs run, and see that nothing is lost; without GitHub.",
        mixinStandardHelpOptions = true)
public final class ChaosCommand implements Callable<Integer> {
    private static final int MOST_VIOLATIONS_SHOWN = 6;
    private static final int MOST_LINES_SHOWN = 14;

    @Parameters(
            arity = "0..1",
            paramLabel = "DIRECTORY",
            description = "where to work, for a while; default: /var/tmp. An XFS in a file is mounted there.")
    private Optional<Path> directory = Optional.empty();

    @Option(
            names = "--seed",
            defaultValue = "1",
            description = "what the plan follows from; the same seed gives the same plan; default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(
            names = "--kills",
            defaultValue = "20",
            description = "how often the daemon is killed; default: ${DEFAULT-VALUE}")
    private int kills;

    @Option(
            names = "--jobs",
            defaultValue = "40",
            description = "how many jobs there are at least: more, if they are over before the kills; default:"
                    + " ${DEFAULT-VALUE}")
    private int jobs;

    @Option(
            names = "--only",
            paramLabel = "KIND",
            converter = FaultKind.Converter.class,
            description =
                    "only this kind of faults, and whatever else is so named: a (the daemon), b (GitHub), c (VMs),"
                            + " d (full store), e (webhooks); default: all")
    private Set<FaultKind> only = EnumSet.noneOf(FaultKind.class);

    @Option(names = "--json", description = "Print the figures as one line of JSON at the end.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        if (kills < 0 || jobs < 1) {
            throw new ParameterException(spec.commandLine(), "--kills needs 0 or more, --jobs 1 or more");
        }
        PrintWriter out = spec.commandLine().getOut();
        Set<FaultKind> kinds = only.isEmpty() ? EnumSet.allOf(FaultKind.class) : only;
        ChaosPlan plan = ChaosPlan.of(seed, kills, jobs, kinds);
        try (CleanUp cleanUp = new CleanUp()) {
            try {
                return run(plan, cleanUp, out);
            } catch (IOException e) {
                // Who pressed Ctrl-C knows why it failed.
                if (!cleanUp.isEnding()) {
                    spec.commandLine().getErr().println(e.getMessage());
                }
                return 1;
            }
        }
    }

    private int run(ChaosPlan plan, CleanUp cleanUp, PrintWriter out) throws IOException {
        DemoStore store = DemoStore.openSmall(directory, ChaosFarm.STORE_BYTES, cleanUp);
        Clock clock = Clock.systemUTC();
        Chronicle chronicle = cleanUp.add(new Chronicle(out, store.besides().resolve("chaos.log"), clock));
        plan.describe().forEach(chronicle::say);
        Accelerators.Choice accelerator = Accelerators.choose();
        chronicle.say("store %s; QEMU with %s".formatted(store.directory(), accelerator.name()));
        boolean passed = false;
        try {
            ChaosFarm farm = ChaosFarm.make(store, accelerator.name(), cleanUp);
            ChaosRun run = new ChaosRun(plan, farm, chronicle, clock, cleanUp);
            long startNanos = System.nanoTime();
            Evidence evidence = run.carryOut();
            passed = report(run, evidence, chronicle, Duration.ofNanos(System.nanoTime() - startNanos));
            return passed ? 0 : 1;
        } finally {
            if (!passed && !cleanUp.isEnding()) {
                store.keep();
                chronicle.say(
                        """
                        Kept for a look: %1$s (chaos.log, one log for each daemon), and the store as it is now:
                          mkdir -p /mnt/chaos && mount -o loop,ro %2$s /mnt/chaos
                        Remove it with: rm -r %1$s"""
                                .formatted(store.besides(), store.file()));
            }
        }
    }

    private boolean report(ChaosRun run, Evidence evidence, Chronicle chronicle, Duration taken) {
        List<Verifier.Verdict> verdicts = Verifier.judge(evidence);
        chronicle.say("");
        for (Verifier.Verdict verdict : verdicts) {
            chronicle.say((verdict.isKept() ? "ok    " : "FAIL  ") + verdict.promise());
            show(verdict.violations(), chronicle);
        }
        DaemonKeeper daemons = run.daemons();
        int generations = evidence.images().values().stream()
                .mapToInt(images -> images.generations().size())
                .sum();
        long readyMillis = median(daemons.millisToReady());
        chronicle.say("");
        chronicle.say("%d jobs, %d kills, %d daemon starts (median %.1f s to ready), %d generations, %d s"
                .formatted(
                        run.jobs(),
                        daemons.kills(),
                        daemons.starts(),
                        readyMillis / 1000.0,
                        generations,
                        taken.toSeconds()));
        chronicle.say("killed at %d of %d steps%s"
                .formatted(
                        daemons.reached().size(),
                        FailPoint.values().length,
                        daemons.missed().isEmpty()
                                ? ""
                                : "; not reached: "
                                        + daemons.missed().stream()
                                                .map(FailPoint::name)
                                                .collect(Collectors.joining(", "))));
        if (json) {
            chronicle.say(("{\"seed\":%d,\"jobs\":%d,\"kills\":%d,\"starts\":%d,\"ready_p50_ms\":%d,\"generations\":%d,"
                            + "\"steps_reached\":%d,\"steps\":%d,\"seconds\":%d,\"failed\":%d}")
                    .formatted(
                            seed,
                            run.jobs(),
                            daemons.kills(),
                            daemons.starts(),
                            readyMillis,
                            generations,
                            daemons.reached().size(),
                            FailPoint.values().length,
                            taken.toSeconds(),
                            verdicts.stream()
                                    .filter(verdict -> !verdict.isKept())
                                    .count()));
        }
        return verdicts.stream().allMatch(Verifier.Verdict::isKept);
    }

    /** The first ones on the screen, and all of them in the file. */
    private static void show(List<String> violations, Chronicle chronicle) {
        for (int i = 0; i < violations.size(); i++) {
            List<String> lines = violations.get(i).lines().toList();
            for (int j = 0; j < lines.size(); j++) {
                String line = (j == 0 ? "      - " : "") + lines.get(j);
                if (i < MOST_VIOLATIONS_SHOWN && j < MOST_LINES_SHOWN) {
                    chronicle.say(line);
                } else {
                    chronicle.note(line);
                }
            }
        }
        if (violations.size() > MOST_VIOLATIONS_SHOWN) {
            chronicle.say("      and %d more, in chaos.log".formatted(violations.size() - MOST_VIOLATIONS_SHOWN));
        }
    }

    /** 0 if there are none. */
    private static long median(List<Long> figures) {
        return figures.stream().sorted().skip(figures.size() / 2).findFirst().orElse(0L);
    }
}
