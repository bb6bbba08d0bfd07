package io.forrest.launcher.demo;

import io.forrest.launcher.HostCommand;
import io.forrest.launcher.ShippedFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** What runs in the demo's machines, with the setup template that ships with Forrest. */
enum DemoGuest {
    /** A kernel and a busybox, up in seconds. */
    TINY(1, "128M", "64M", 4, Duration.ofMinutes(2)) {
        @Override
        void build(Path scripts, Path image) throws IOException {
            // Beside the image: what the script leaves if it is killed goes with that.
            HostCommand.run(
                    "env",
                    "TMPDIR=" + scripts,
                    scripts.resolve("build-tiny-image").toString(),
                    image.toString());
        }
    },
    /** A Debian 12 of Debian's packages with systemd and cloud-init. */
    DEBIAN(2, "2G", "4G", 256, Duration.ofMinutes(15)) {
        @Override
        void build(Path scripts, Path image) throws IOException {
            // The small kernel: the demo needs no shared directories.
            HostCommand.runAsRoot(
                    scripts.resolve("build-debian-image").toString(),
                    "--demo-runner",
                    "--packages",
                    "linux-image-cloud-amd64",
                    image.toString());
            if (!HostCommand.isRoot()) {
                HostCommand.runAsRoot("chown", System.getProperty("user.name"), image.toString());
            }
        }
    };

    private static final String TEMPLATE = "setup-templates/generic";

    private final int cpus;
    private final String ram;
    private final String disk;
    private final int ballastMebibytes;
    private final Duration longestJob;

    DemoGuest(int cpus, String ram, String disk, int ballastMebibytes, Duration longestJob) {
        this.cpus = cpus;
        this.ram = ram;
        this.disk = disk;
        this.ballastMebibytes = ballastMebibytes;
        this.longestJob = longestJob;
    }

    abstract void build(Path scripts, Path image) throws IOException;

    /** Builds the image {@code src.raw} and puts the setup template beside it. Takes a second, or a minute or two. */
    void install(Path directory) throws IOException {
        Path scripts = directory.resolve("guests");
        ShippedFiles.unpack("guests", scripts);
        build(scripts, image(directory));
        ShippedFiles.unpack(TEMPLATE, template(directory));
    }

    static Path image(Path directory) {
        return directory.resolve("src.raw");
    }

    static Path template(Path directory) {
        return directory.resolve("template");
    }

    /** The machine type's recipe, as lines of a configuration. */
    List<String> machineType(Path directory) {
        return List.of(
                "base_image: " + image(directory),
                "setup_template:",
                "  path: " + template(directory),
                "  parameters:",
                // The demo's images bring their runner, so nothing is downloaded.
                "    RUNNER_VERSION: none",
                "    RUNNER_HASH: none",
                "cpus: " + cpus,
                "ram: " + ram,
                "disk: " + disk);
    }

    /** How much a job writes and deletes again, to show that its space comes back to the host. */
    int ballastMebibytes() {
        return ballastMebibytes;
    }

    /** From a job's queueing to the end of its machine, on a slow host. */
    Duration longestJob() {
        return longestJob;
    }

    long imageBytes(Path directory) throws IOException {
        return Files.size(image(directory));
    }
}
