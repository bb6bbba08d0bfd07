package io.forrest.launcher.demo;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.LauncherProcess;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.LoopFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** The demo as users start it: real daemon, real QEMUs, real guests, on each file system that can clone. */
public class DemoTest {
    private static final Duration TINY_PATIENCE = Duration.ofMinutes(5);
    private static final Duration DEBIAN_PATIENCE = Duration.ofMinutes(30);
    private static final int FACTS = 14;

    @BeforeClass(alwaysRun = true)
    public void needPrograms() {
        for (String program : List.of("qemu-system-x86_64", "busybox", "cpio", "mcopy", "syslinux", "mkfs.xfs")) {
            HostNeeds.program(program);
        }
    }

    private static void run(Path directory, Duration patience, String... arguments) throws Exception {
        List<Path> before = entries(directory);
        try (LauncherProcess demo = new LauncherProcess(
                Files.createTempDirectory("demo"),
                // An ordinary user's, who has the administrators' programs all the same.
                Map.of("PATH", "/usr/bin:/bin"),
                Stream.concat(Stream.of("demo"), Stream.of(arguments)).toArray(String[]::new))) {
            assertThat(demo.exitCode(patience)).as(demo.output()).isZero();
            assertThat(demo.output().lines().filter(line -> line.startsWith("  ok  ")))
                    .as(demo.output())
                    .hasSize(FACTS);
        }
        assertThat(entries(directory)).as("what the demo left behind").isEqualTo(before);
    }

    private static List<Path> entries(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }

    @Test(groups = {"qemu", "loop"})
    public void theStoryIsToldOnAnXfsOfItsOwnWhereTheDirectoryCannotClone() throws Exception {
        try (LoopFileSystem ext4 = LoopFileSystem.mount("ext4", 1L << 30)) {
            run(ext4.directory(), TINY_PATIENCE, ext4.directory().toString());
        }
    }

    @Test(groups = {"qemu", "loop"})
    public void theStoryIsToldOnBtrfs() throws Exception {
        try (LoopFileSystem btrfs = LoopFileSystem.mount("btrfs", 1L << 30)) {
            run(btrfs.directory(), TINY_PATIENCE, btrfs.directory().toString());
        }
    }

    @Test(groups = {"qemu", "loop", "debian"})
    public void theStoryIsToldByADebianWithTheShippedTemplate() throws Exception {
        for (String program : List.of("mmdebstrap", "extlinux", "sfdisk", "mkfs.ext4")) {
            HostNeeds.program(program);
        }
        HostNeeds.root();
        Path directory = Files.createTempDirectory(Path.of("/var/tmp"), "debian-demo");
        run(directory, DEBIAN_PATIENCE, "--guest", "debian", directory.toString());
        Files.delete(directory);
    }
}
