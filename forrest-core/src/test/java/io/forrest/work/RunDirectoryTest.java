package io.forrest.work;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.MachineId;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class RunDirectoryTest {
    private Path base;
    private RunDirectory run;

    @BeforeMethod
    public void makeRun() throws IOException {
        base = Files.createTempDirectory("base");
        run = RunDirectory.of(base, MachineId.random(TestConfigs.typeId("build")));
        run.create();
    }

    private static String permissions(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    @Test
    public void itIsForItsOwnersEyesOnly() throws Exception {
        assertThat(permissions(run.path())).isEqualTo("rwx------");
        Files.setPosixFilePermissions(run.path(), PosixFilePermissions.fromString("rwxr-xr-x"));
        run.create();
        assertThat(permissions(run.path())).isEqualTo("rwx------");
    }

    @Test
    public void oneThatCannotBeLookedIntoIsToldOfAndTheOthersAreFound() throws Exception {
        // A link to itself: what is in it nobody can read, not even root.
        Path loop = base.resolve("runs/acme/loop");
        Files.createSymbolicLink(loop, loop);
        List<Path> unreadable = new ArrayList<>();
        assertThat(RunDirectory.all(base, (directory, failure) -> unreadable.add(directory)))
                .containsExactly(run);
        assertThat(unreadable).containsExactly(loop);
    }

    @Test
    public void whereNoMachineEverRanThereAreNone() throws Exception {
        List<Path> unreadable = new ArrayList<>();
        assertThat(RunDirectory.all(base.resolve("elsewhere"), (directory, failure) -> unreadable.add(directory)))
                .isEmpty();
        assertThat(unreadable).isEmpty();
    }

    @Test
    public void whatIsNotNamedLikeAMachineIsNotOne() throws Exception {
        Files.createDirectory(run.path().resolveSibling("somebodys"));
        Files.createFile(base.resolve("runs/file"));
        Files.createFile(run.path()
                .resolveSibling(MachineId.random(TestConfigs.typeId("build")).runnerName()));
        Files.createSymbolicLink(
                run.path()
                        .resolveSibling(
                                MachineId.random(TestConfigs.typeId("build")).runnerName()),
                run.path());
        assertThat(RunDirectory.all(base, (directory, failure) -> {
                    throw new AssertionError(directory + ": " + failure);
                }))
                .containsExactly(run);
    }
}
