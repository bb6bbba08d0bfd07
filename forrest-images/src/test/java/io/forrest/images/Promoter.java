package io.forrest.images;

import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Promotes disks in a process of its own: arguments are the base directory and, for each disk, its path and the name of its
 * machine. Each name is printed when its promotion has returned.
 */
final class Promoter {
    private Promoter() {}

    public static void main(String[] arguments) throws Exception {
        ReflinkImageStore store = new ReflinkImageStore(Path.of(arguments[0]));
        MachineTypeId type = Disks.TYPE;
        for (int i = 1; i < arguments.length; i += 2) {
            store.promote(type, Path.of(arguments[i]), Disks.by(new MachineId(type, arguments[i + 1])));
            System.out.println(arguments[i + 1]);
        }
    }

    /** Its standard output is a pipe. {@code failPoint} is where it dies, or empty. */
    static Process start(Path base, String failPoint, Map<Path, MachineId> disks) throws IOException {
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Promoter.class.getName(),
                base.toString()));
        disks.forEach((disk, machine) -> line.addAll(List.of(disk.toString(), machine.runnerName())));
        ProcessBuilder builder = new ProcessBuilder(line).redirectErrorStream(true);
        builder.environment().remove("FORREST_FAILPOINT");
        if (!failPoint.isEmpty()) {
            builder.environment().put("FORREST_FAILPOINT", failPoint);
        }
        Process process = builder.start();
        process.getOutputStream().close();
        return process;
    }
}
