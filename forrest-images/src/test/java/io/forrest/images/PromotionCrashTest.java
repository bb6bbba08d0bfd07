package io.forrest.images;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.failpoint.FailPoint;
import io.forrest.files.AtomicFiles;
import io.forrest.spi.Retention;
import io.forrest.testing.LoopFileSystem;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Factory;
import org.testng.annotations.Test;

/** A promotion whose process dies, or whose host loses power, on real file systems. */
@Test(groups = "loop")
public class PromotionCrashTest {
    private static final int KILLED = 137;
    private static final Retention EVERYTHING = new Retention(100, Optional.empty(), DataSize.ZERO);

    private final String type;
    private LoopFileSystem fileSystem;
    private Path base;
    private Disks disks;

    @Factory(dataProvider = "fileSystems")
    public PromotionCrashTest(String type) {
        this.type = type;
    }

    @DataProvider
    public static Object[][] fileSystems() {
        return new Object[][] {{"xfs"}, {"btrfs"}};
    }

    @DataProvider
    public static Object[][] crashes() {
        return new Object[][] {
            {FailPoint.GENERATION_DESCRIBED, false},
            {FailPoint.GENERATION_DESCRIBED, true},
            {FailPoint.GENERATION_MADE, false},
            {FailPoint.GENERATION_MADE, true},
            {FailPoint.IMAGE_READY, false},
            {FailPoint.IMAGE_READY, true},
        };
    }

    @BeforeMethod
    public void mount() throws IOException {
        fileSystem = LoopFileSystem.mount(type);
        base = Files.createDirectory(fileSystem.directory().resolve("base"));
        AtomicFiles.sync(fileSystem.directory());
        disks = new Disks(base);
    }

    @AfterMethod(alwaysRun = true)
    public void unmount() {
        if (fileSystem != null) {
            fileSystem.close();
            fileSystem = null;
        }
    }

    private ReflinkImageStore store() {
        return new ReflinkImageStore(base);
    }

    private List<Generation> history() throws Exception {
        return new ImageCatalog(base, Clock.systemUTC()).history(Disks.TYPE);
    }

    private void dieAt(FailPoint step, Path disk, MachineId machine) throws Exception {
        Process process = Promoter.start(base, step.name(), Map.of(disk, machine));
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.exitValue()).as(output).isEqualTo(KILLED);
    }

    /** Its name is on stable storage; its content is for the promotion to put there. */
    private Path namedDisk(String content) throws IOException {
        Path disk = disks.make(content);
        AtomicFiles.sync(base);
        return disk;
    }

    @Test(dataProvider = "crashes")
    public void theMachineImageIsTheOldOrTheNewOneAndTheNextPromotionCompletesIt(FailPoint step, boolean powerCut)
            throws Exception {
        disks.promote(store(), "o");
        MachineId machine = MachineId.random(Disks.TYPE);
        Path disk = namedDisk("n");
        dieAt(step, disk, machine);
        if (powerCut) {
            fileSystem.cutPower();
        }

        assertThat(Disks.first(disks.image())).isEqualTo("o");
        boolean stillADisk = step == FailPoint.GENERATION_DESCRIBED;
        assertThat(Files.exists(disk)).isEqualTo(stillADisk);
        if (stillADisk) {
            assertThat(Disks.first(disk)).isEqualTo("n");
        }

        store().promote(Disks.TYPE, disk, Disks.by(machine));
        assertCompleted(machine, disk);
        if (powerCut) {
            fileSystem.cutPower();
            assertCompleted(machine, disk);
        }
    }

    private void assertCompleted(MachineId machine, Path disk) throws Exception {
        assertThat(disk).doesNotExist();
        assertThat(Disks.first(disks.image())).isEqualTo("n");
        assertThat(history()).hasSize(2);
        assertThat(history().get(0).machine()).hasValue(machine.runnerName());
        assertThat(history().get(0).current()).isTrue();
        assertThat(Disks.first(history().get(0).image())).isEqualTo("n");
        assertThat(Disks.first(history().get(1).image())).isEqualTo("o");
        try (Stream<Path> files = Files.list(disks.image().getParent())) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("build.img", "build.generations");
        }
    }

    @Test(dataProvider = "crashes")
    public void tidyingCompletesWhatCannotBeLostAnyMoreAndForgetsTheRest(FailPoint step, boolean powerCut)
            throws Exception {
        disks.promote(store(), "o");
        Path disk = namedDisk("n");
        dieAt(step, disk, MachineId.random(Disks.TYPE));
        if (powerCut) {
            fileSystem.cutPower();
        }
        store().tidy(EVERYTHING, Set.of());
        boolean stillADisk = step == FailPoint.GENERATION_DESCRIBED;
        assertThat(Disks.first(disks.image())).isEqualTo(stillADisk ? "o" : "n");
        assertThat(disks.next(store())).isEqualTo(stillADisk ? "o" : "n");
        assertThat(history()).hasSize(stillADisk ? 1 : 2);
    }

    @Test
    public void theFirstImageOfATypeIsThereAfterAPowerCutWithAllItsDirectories() throws Exception {
        Path unsynced = Files.writeString(base.resolve("unsynced"), "what the power cut is to take");
        Path disk = disks.make("n");
        MachineId machine = MachineId.random(Disks.TYPE);
        Process process = Promoter.start(base, "", Map.of(disk, machine));
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        Path late = Files.writeString(base.resolve("late"), "what the power cut is to take");
        fileSystem.cutPower();
        assertThat(late.toFile().length()).as("the power was cut").isZero();
        assertThat(unsynced.toFile().length()).isLessThan(100);
        assertThat(Disks.first(disks.image())).isEqualTo("n");
        assertThat(history()).singleElement().satisfies(generation -> {
            assertThat(generation.machine()).hasValue(machine.runnerName());
            assertThat(generation.current()).isTrue();
            assertThat(Disks.first(generation.image())).isEqualTo("n");
        });
        assertThat(disk).doesNotExist();
    }

    @Test
    public void whateverPromotionHasReturnedIsThereAfterAPowerCutInTheMiddleOfOthers() throws Exception {
        Map<Path, MachineId> promotions = new LinkedHashMap<>();
        for (int i = 0; i < 60; i++) {
            Path disk = namedDisk(String.valueOf((char) ('A' + i)));
            AtomicFiles.sync(disk);
            promotions.put(disk, MachineId.random(Disks.TYPE));
        }
        List<String> done = new ArrayList<>();
        Process process = Promoter.start(base, "", promotions);
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            while (done.size() < 7) {
                done.add(output.readLine());
            }
            // Not by the process itself, which would close its output unread.
            process.toHandle().destroyForcibly();
            output.lines().forEach(done::add);
        } finally {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        }
        fileSystem.cutPower();

        store().tidy(EVERYTHING, Set.of());
        List<String> machines = history().stream()
                .map(generation -> generation.machine().orElseThrow())
                .toList();
        assertThat(machines).containsAll(done).hasSizeBetween(done.size(), done.size() + 1);
        assertThat(history().get(0).current()).isTrue();
        int number = 0;
        for (Map.Entry<Path, MachineId> promotion : promotions.entrySet()) {
            String content = String.valueOf((char) ('A' + number++));
            Path where = number <= machines.size() ? disks.generation(number) : promotion.getKey();
            assertThat(Disks.first(where)).as("disk %s", number).isEqualTo(content);
        }
    }

    @Test
    public void twoProcessesPromoteAtTheSameTime() throws Exception {
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Map<Path, MachineId> promotions = new LinkedHashMap<>();
            for (int j = 0; j < 10; j++) {
                promotions.put(disks.make("n"), MachineId.random(Disks.TYPE));
            }
            processes.add(Promoter.start(base, "", promotions));
        }
        for (int i = 0; i < 10; i++) {
            disks.promote(store(), "n");
        }
        for (Process process : processes) {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isZero();
        }
        assertThat(history()).hasSize(30);
        assertThat(history().get(0).current()).isTrue();
        assertThat(history().stream().map(Generation::machine).distinct()).hasSize(30);
    }
}
