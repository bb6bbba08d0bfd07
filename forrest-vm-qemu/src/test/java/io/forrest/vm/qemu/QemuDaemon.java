package io.forrest.vm.qemu;

import java.nio.file.Path;
import java.util.Map;

/** A process that runs one VM, to be killed by tests or a fail-point. */
final class QemuDaemon {
    private QemuDaemon() {}

    /** Starts it as the leader of a process group. With a fail-point's name it dies there; with an empty one, never. */
    static Process start(QemuRun run, String failPoint) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        "setsid",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        QemuDaemon.class.getName(),
                        run.directory.toString())
                .redirectErrorStream(true)
                .redirectOutput(run.directory.resolve("daemon.log").toFile());
        builder.environment().put("FORREST_FAILPOINT", failPoint);
        return builder.start();
    }

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        QemuHypervisor hypervisor =
                new QemuHypervisor(QemuSettings.of(Map.of("accelerator", "tcg")), new SystemdScope());
        QemuRun.await(hypervisor.start(QemuRun.spec(directory, directory.resolve("disk.img"))));
    }
}
