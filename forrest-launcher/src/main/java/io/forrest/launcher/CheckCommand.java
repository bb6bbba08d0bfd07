package io.forrest.launcher;

import io.forrest.config.ConfigException;
import io.forrest.config.ConfigFile;
import io.forrest.config.ConfigPrinter;
import io.forrest.config.ConfigProblem;
import io.forrest.config.LoadedConfig;
import io.forrest.domain.HostProblem;
import io.forrest.github.GitHubAppCheck;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
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
        LoadedConfig loaded;
        try {
            loaded = ConfigFile.load(file, Hypervisors.all());
        } catch (ConfigException e) {
            spec.commandLine().getErr().println(e.getMessage());
            return 1;
        }
        List<HostProblem> found = new ArrayList<>();
        if (!configOnly) {
            found.addAll(HostCheck.problems(loaded.config()));
        }
        if (askGitHub) {
            found.addAll(GitHubAppCheck.problems(loaded.config(), Clock.systemUTC()));
        }
        if (print) {
            out.print(ConfigPrinter.print(loaded.config()));
        }
        if (!found.isEmpty()) {
            List<ConfigProblem> problems = found.stream()
                    .map(problem -> new ConfigProblem(
                            loaded.line(problem.where()), problem.where(), problem.what(), problem.remedy()))
                    .toList();
            spec.commandLine().getErr().println(new ConfigException(file.toString(), problems).getMessage());
            return 1;
        }
        if (!print) {
            out.println(file + (configOnly ? " has no problems." : " and this host have no problems."));
        }
        return 0;
    }
}
