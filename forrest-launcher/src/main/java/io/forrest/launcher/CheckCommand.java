package io.forrest.launcher;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ConfigInspection;
import io.forrest.config.ConfigPrinter;
import io.forrest.config.ConfigProblem;
import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import io.forrest.github.GitHubAppCheck;
import io.forrest.github.GitHubConnection;
import io.forrest.github.RunnerRelease;
import io.forrest.spi.PluginException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forrest check}: everything that is wrong with a configuration and this host, at once. */
@Command(
        name = "check",
        description = "Report every problem of a configuration and of this host; exit with 1 if there is one.",
        mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..1",
            paramLabel = "CONFIG",
            defaultValue = "config.yaml",
            description = "default: ${DEFAULT-VALUE}")
    private Path file;

    @Option(names = "--config-only", description = "Look at the file alone, not at this host.")
    private boolean configOnly;

    @Option(names = "--github", description = "Also ask GitHub about the App and its repositories.")
    private boolean askGitHub;

    @Option(names = "--print", description = "Print the effective configuration as flat YAML, secrets hidden.")
    private boolean print;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        ConfigInspection inspection = ConfigFile.inspect(file, Hypervisors.all());
        List<HostProblem> found = new ArrayList<>();
        if (!configOnly) {
            inspection.host().ifPresent(host -> found.addAll(HostCheck.ofHost(host)));
            inspection.config().ifPresent(config -> {
                found.addAll(GitHubAppCheck.keyProblems(config.github()));
                found.addAll(HostCheck.ofMachineTypes(config));
            });
        }
        if (askGitHub) {
            inspection.config().ifPresent(config -> {
                List<HostProblem> ofGitHub = GitHubAppCheck.problems(config, Clock.systemUTC());
                found.addAll(ofGitHub);
                if (ofGitHub.isEmpty()) {
                    checkRunner(config, found);
                }
            });
        }
        if (print) {
            inspection.config().ifPresent(config -> out.print(ConfigPrinter.print(config)));
        }
        List<ConfigProblem> problems = new ArrayList<>(inspection.problems());
        found.forEach(problem -> problems.add(new ConfigProblem(
                inspection.line(problem.where()), problem.where(), problem.what(), problem.remedy())));
        if (!problems.isEmpty()) {
            problems.sort(Comparator.comparingInt(problem -> problem.line().orElse(0)));
            spec.commandLine().getErr().println(new ConfigException(file.toString(), problems).getMessage());
            return 1;
        }
        if (!print) {
            out.println(file + (configOnly ? " has no problems." : " and this host have no problems."));
        }
        return 0;
    }

    private void checkRunner(ForrestConfig config, List<HostProblem> found) {
        Optional<MachineType> asking = config.repositories().values().stream()
                .flatMap(repository -> repository.machines().values().stream())
                .filter(MachineType::getsRunnerFromHost)
                .min(Comparator.comparing(MachineType::id));
        if (asking.isEmpty()) {
            return;
        }
        try {
            GitHubConnection connection = new GitHubConnection(config.github(), Clock.systemUTC());
            RunnerRelease release =
                    RunnerRelease.newest(connection, asking.get().id().repository());
            if (!print) {
                spec.commandLine()
                        .getOut()
                        .println("Machine types with runner: auto get GitHub's runner " + release.version() + ".");
            }
        } catch (PluginException e) {
            found.add(new HostProblem(
                    asking.get().configPath() + ".runner",
                    e.getMessage(),
                    "Machines start without a runner from here."));
        }
    }
}
