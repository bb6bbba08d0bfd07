package io.forrest.launcher.bench;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.images.ImageCatalog;
import io.forrest.images.ReflinkImageStore;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.demo.DemoStore;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code forrest bench clone}: the time that making a machine's disk takes, by the number of extents that its image is in,
 * and what re-packing the image makes of it.
 */
@Command(
        name = "clone",
        description = "Measure how long a machine's disk takes, of a fragmented image and of the same one re-packed.",
        mixinStandardHelpOptions = true)
final class CloneBench implements Callable<Integer> {
    private static final int BLOCK_BYTES = 4096;

    @Parameters(
            arity = "0..1",
            paramLabel = "DIRECTORY",
            description = "where to work, for a moment; default: /var/tmp")
    private Optional<Path> directory = Optional.empty();

    @Option(
            names = "--extents",
            split = ",",
            defaultValue = "1,1000,10000,100000",
            description = "how many extents to measure with; default: ${DEFAULT-VALUE}")
    private List<Integer> extents;

    @Option(names = "--rounds", defaultValue = "5", description = "how many disks each; default: ${DEFAULT-VALUE}")
    private int rounds;

    @Option(names = "--json", description = "Print a line of JSON for each number of extents.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    /** In milliseconds. */
    private record Measured(int extents, double fragmented, double repacked) {
        double ratio() {
            return fragmented / repacked;
        }
    }

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        try (CleanUp cleanUp = new CleanUp()) {
            Path base = Files.createDirectories(
                    DemoStore.open(directory, cleanUp).directory().resolve("base"));
            if (!json) {
                out.println("The time to make a machine's disk, the median of " + rounds + ":");
                out.println("    extents  fragmented   re-packed       ratio");
            }
            // The first ones pay for what is done once.
            measure(base, 1);
            for (int count : extents) {
                report(out, measure(base, count));
            }
            return 0;
        } catch (IOException | PluginException e) {
            spec.commandLine().getErr().println(e.getMessage());
            return 1;
        }
    }

    private void report(PrintWriter out, Measured measured) {
        out.printf(
                Locale.ROOT,
                json
                        ? "{\"extents\":%d,\"fragmented_ms\":%.2f,\"repacked_ms\":%.2f,\"ratio\":%.1f}%n"
                        : "%,11d %,8.1f ms %,8.1f ms %,10.1f%n",
                measured.extents(),
                measured.fragmented(),
                measured.repacked(),
                measured.ratio());
        out.flush();
    }

    private Measured measure(Path base, int count) throws IOException, PluginException {
        MachineTypeId type = MachineTypeId.parse("acme/firmware/" + count);
        ReflinkImageStore store = new ReflinkImageStore(base);
        Clock clock = Clock.systemUTC();
        Path disk = base.resolve("disk.img");
        scatter(disk, count);
        store.promote(
                type,
                disk,
                new Provenance(MachineId.random(type), Optional.empty(), Optional.empty(), clock.instant()));
        double fragmented = median(store, type, disk);
        new ImageCatalog(base, clock).repack(type);
        return new Measured(count, fragmented, median(store, type, disk));
    }

    /** Each block is an extent of its own: the next one is written before it, and not beside it. */
    private static void scatter(Path disk, int count) throws IOException {
        ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES);
        block.put(0, (byte) 1);
        try (FileChannel file = FileChannel.open(disk, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (long i = (long) count - 1; i >= 0; i--) {
                file.write(block.rewind(), 2 * i * BLOCK_BYTES);
            }
        }
    }

    private double median(ReflinkImageStore store, MachineTypeId type, Path disk) throws IOException, PluginException {
        DiskRequest request =
                new DiskRequest(type, Optional.empty(), Optional.empty(), UseBase.NEVER, new DataSize(BLOCK_BYTES));
        List<Double> millis = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
            long before = System.nanoTime();
            store.createDisk(request, disk);
            millis.add((System.nanoTime() - before) / 1e6);
            Files.delete(disk);
        }
        return new Percentiles(millis).percentile(50);
    }
}
