package io.forrest.vm.qemu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps systemd from ending VMs along with this process. Where this is a systemd service, a stop or a restart ends all that
 * is in the service's control group, sessions or not; so each VM gets a scope of its own. Thread-safe.
 */
final class SystemdScope {
    private static final Logger LOG = LoggerFactory.getLogger(SystemdScope.class);
    private static final Duration LONGEST_TRY = Duration.ofSeconds(10);

    /** A hierarchy that systemd keeps, of version 1 or 2, and the path of this process in it. */
    private static final Pattern CGROUP = Pattern.compile("(?m)^(?:\\d+:name=systemd|0:):(/.*)$");

    /** The innermost unit. What a user's service manager runs is below a service that is not meant. */
    private static final Pattern UNIT = Pattern.compile(".*/([^/]+\\.(?:service|scope))(?:/.*)?");

    private static final Pattern USER_MANAGER = Pattern.compile("user@\\d+\\.service");

    private final Path runtime;
    private final Path proc;
    private final String systemdRun;
    private final Duration longestTry;

    // Guarded by this.
    private Optional<List<String>> launcher = Optional.empty();

    /** For the process that asks. */
    SystemdScope() {
        this(Path.of("/run"), Path.of("/proc/self"), "systemd-run", LONGEST_TRY);
    }

    SystemdScope(Path runtime, Path proc, String systemdRun, Duration longestTry) {
        this.runtime = runtime;
        this.proc = proc;
        this.systemdRun = systemdRun;
        this.longestTry = longestTry;
    }

    /**
     * What comes before the command line of a machine's VM; it becomes that command in the end, in the same process. Empty
     * where there is no need, or no way; the log says so. The first call tries whether it works, and blocks for that.
     */
    List<String> launcher(String machine) {
        return launcher("VM " + machine, "vm-" + machine);
    }

    /** As {@link #launcher}, for the machine's TPM, which needs a scope of its own: a scope takes no second process. */
    List<String> tpmLauncher(String machine) {
        return launcher("TPM of VM " + machine, "tpm-" + machine);
    }

    private synchronized List<String> launcher(String description, String name) {
        List<String> line = new ArrayList<>(launcher.orElseGet(() -> {
            List<String> chosen = choose();
            launcher = Optional.of(chosen);
            return chosen;
        }));
        if (!line.isEmpty()) {
            line.addAll(List.of("--description=" + description, unit(name), "--"));
        }
        return line;
    }

    private static String unit(String name) {
        return "--unit=forrest-" + name + ".scope";
    }

    private List<String> choose() {
        Optional<String> service = service();
        if (service.isEmpty()) {
            return List.of();
        }
        List<String> line = new ArrayList<>();
        try {
            int user = (Integer) Files.getAttribute(proc, "unix:uid");
            if (user == 0) {
                line.add(systemdRun);
            } else {
                // A service that a system's manager runs as another user has not got the variable.
                line.addAll(List.of("env", "XDG_RUNTIME_DIR=" + runtime.resolve("user/" + user), systemdRun, "--user"));
            }
            line.addAll(List.of("--scope", "--quiet", "--collect", "--no-ask-password", "--slice=forrest.slice"));
            tryOut(line);
            return line;
        } catch (IOException e) {
            LOG.warn(
                    "A stop or restart of {} ends all VMs, as systemd gives them no scopes of their own: {} To keep them,"
                            + " put KillMode=process into that unit.",
                    service.get(),
                    e.getMessage());
            return List.of();
        }
    }

    /** The systemd service that this process is part of. */
    private Optional<String> service() {
        if (!Files.isDirectory(runtime.resolve("systemd/system"))) {
            return Optional.empty();
        }
        try {
            Matcher cgroups = CGROUP.matcher(Files.readString(proc.resolve("cgroup")));
            return cgroups.results()
                    .map(line -> UNIT.matcher(line.group(1)))
                    .filter(Matcher::matches)
                    .map(unit -> unit.group(1))
                    .filter(unit -> unit.endsWith(".service")
                            && !USER_MANAGER.matcher(unit).matches())
                    .findFirst();
        } catch (IOException e) {
            LOG.debug("Without control groups there is nothing to be ended by.", e);
            return Optional.empty();
        }
    }

    private void tryOut(List<String> line) throws IOException {
        List<String> command = new ArrayList<>(line);
        command.addAll(List.of(unit("vm-try-" + ProcessHandle.current().pid()), "--", "true"));
        ShortRun run = ShortRun.of(command, Path.of("/"), longestTry);
        if (run.exitCode().isEmpty()) {
            throw new IOException(systemdRun + " does not answer within " + longestTry.toSeconds() + " s.");
        }
        if (run.exitCode().getAsInt() != 0) {
            throw new IOException(run.output() + ".");
        }
    }
}
