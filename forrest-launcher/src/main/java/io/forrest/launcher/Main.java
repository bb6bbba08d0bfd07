package io.forrest.launcher;

import io.forrest.config.Suggestion;
import io.forrest.launcher.bench.BenchCommand;
import io.forrest.launcher.chaos.ChaosCommand;
import io.forrest.launcher.demo.DemoCommand;
import io.forrest.launcher.image.ImageCommand;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.slf4j.bridge.SLF4JBridgeHandler;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The program {@code forrest}. Without a command it serves, as in {@code forrest /etc/forrest/config.yaml}. */
@Command(
        name = "forrest",
        description = "Runs GitHub Actions runners in virtual machines on this host.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        subcommands = {
            ServeCommand.class,
            CheckCommand.class,
            MachinesCommand.class,
            DrainCommand.class,
            ImageCommand.class,
            DemoCommand.class,
            BenchCommand.class,
            ChaosCommand.class
        })
public final class Main implements Callable<Integer> {
    /**
     * A command that shows its progress itself has no use for the daemon's log; where everything fails, not for warnings
     * either.
     */
    private static final Map<String, String> LOG_LEVELS = Map.of(
            "demo",
            "WARN",
            "bench",
            "WARN",
            "check",
            "WARN",
            "drain",
            "WARN",
            "machines",
            "WARN",
            "image",
            "WARN",
            "chaos",
            "ERROR");

    /** The version that Maven gave the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {
                "forrest "
                        + Optional.ofNullable(Main.class.getPackage().getImplementationVersion())
                                .orElse("(from class files)")
            };
        }
    }

    @Parameters(arity = "0..1", paramLabel = "CONFIG", defaultValue = "config.yaml", description = "as with serve")
    private Path config;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        if (!namesFile(config)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "\"" + config + "\" is neither a command nor a file."
                            + Suggestion.closest(
                                            config.toString(),
                                            spec.subcommands().keySet())
                                    .map(meant -> " Did you mean " + meant + "?")
                                    .orElse(""));
        }
        return ServeCommand.serve(config, spec.commandLine().getErr());
    }

    /** As opposed to a command that was mistyped. */
    private static boolean namesFile(Path word) {
        String text = word.toString();
        return text.contains("/") || text.endsWith(".yaml") || text.endsWith(".yml") || Files.exists(word);
    }

    /** Exit codes: 0 good, 1 what was asked for did not work, 2 it was asked for in a wrong way. */
    public static CommandLine commandLine() {
        return new CommandLine(new Main()).setCaseInsensitiveEnumValuesAllowed(true);
    }

    public static void main(String[] arguments) {
        // Before the first logger is made.
        String level = arguments.length > 0 ? LOG_LEVELS.getOrDefault(arguments[0], "INFO") : "INFO";
        System.getProperties().putIfAbsent("forrest.log.level", level);
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        System.exit(commandLine().execute(arguments));
    }
}
