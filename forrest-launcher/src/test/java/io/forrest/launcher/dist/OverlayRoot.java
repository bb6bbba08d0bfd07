package io.forrest.launcher.dist;

import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * This host's own root file system below a layer in memory: what is installed here is there, and what is done there is gone
 * with it. Needs root.
 */
final class OverlayRoot implements AutoCloseable {
    private final Path directory;
    private final Path root;
    private final Deque<Path> mounts = new ArrayDeque<>();

    private OverlayRoot(Path directory) {
        this.directory = directory;
        this.root = directory.resolve("root");
    }

    static OverlayRoot mount() throws IOException, InterruptedException {
        HostNeeds.root();
        OverlayRoot overlay = new OverlayRoot(Files.createTempDirectory("overlay"));
        try {
            overlay.mount(overlay.directory, "-t", "tmpfs", "forrest-test");
            for (String name : List.of("upper", "work", "root")) {
                Files.createDirectory(overlay.directory.resolve(name));
            }
            overlay.mount(
                    overlay.root,
                    "-t",
                    "overlay",
                    "-o",
                    "lowerdir=/,upperdir=" + overlay.directory.resolve("upper") + ",workdir="
                            + overlay.directory.resolve("work"),
                    "forrest-test");
            // What runs on this host is not there.
            overlay.mount(overlay.root.resolve("run"), "-t", "tmpfs", "forrest-test");
            overlay.mount(overlay.root.resolve("tmp"), "-t", "tmpfs", "forrest-test");
            return overlay;
        } catch (IOException | InterruptedException | RuntimeException | Error e) {
            overlay.close();
            throw e;
        }
    }

    private void mount(Path where, String... options) throws IOException, InterruptedException {
        String[] command = new String[options.length + 2];
        command[0] = "mount";
        System.arraycopy(options, 0, command, 1, options.length);
        command[command.length - 1] = where.toString();
        Distribution.run(command).good();
        mounts.push(where);
    }

    /** Has it a file system of this host in one of its directories, which is made. */
    void bind(Path source, String target) throws IOException, InterruptedException {
        Files.createDirectories(path(target));
        mount(path(target), "--bind", source.toString());
    }

    /** Has it this host's devices and processes, which programs in a {@code chroot} expect. */
    void addHost() throws IOException, InterruptedException {
        bind(Path.of("/dev"), "/dev");
        mount(path("/proc"), "-t", "proc", "forrest-test");
    }

    /** Where a path of it is on this host. */
    Path path(String absolute) {
        return root.resolve(absolute.substring(1));
    }

    Path root() {
        return root;
    }

    /** A shell command in a {@code chroot}, as root, with the environment of a service. */
    ProcessBuilder shell(String command) {
        ProcessBuilder builder = new ProcessBuilder("chroot", root.toString(), "/bin/sh", "-c", command);
        builder.environment().clear();
        builder.environment().put("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        return builder;
    }

    Distribution.Ended run(String command) throws IOException, InterruptedException {
        return Distribution.run(shell(command));
    }

    @Override
    public void close() {
        try {
            while (!mounts.isEmpty()) {
                Distribution.run("umount", mounts.pop().toString()).good();
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
