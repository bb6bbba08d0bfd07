package io.forrest.work;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ForrestConfig;
import io.forrest.config.HostConfig;
import io.forrest.config.RetentionConfig;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.Retention;
import io.forrest.testing.Gate;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.InMemoryImageStore.Call;
import io.forrest.testing.InMemoryImageStore.Tidying;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class HousekeeperTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Duration OLD = Duration.ofDays(30).plusHours(1);
    private static final DataSize LOG_SIZE = DataSize.parse("4K");

    private final List<String> complaints = new ArrayList<>();
    private final Set<MachineId> alive = new HashSet<>();
    private final Set<DiskOrigin> inUse = new HashSet<>();
    private Path base;
    private InMemoryImageStore images;
    private ForrestConfig config;
    private Housekeeper housekeeper;

    @BeforeMethod
    public void setUp() throws IOException {
        complaints.clear();
        alive.clear();
        inUse.clear();
        base = Files.createTempDirectory("base");
        images = new InMemoryImageStore();
        retain(new RetentionConfig(5, Optional.empty(), Duration.ofDays(30), LOG_SIZE));
        housekeeper = new Housekeeper(
                base,
                () -> config,
                images,
                new ManualClock(NOW),
                () -> Set.copyOf(alive),
                () -> Set.copyOf(inUse),
                complaints::add,
                Duration.ofMillis(10));
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        housekeeper.close();
    }

    private void retain(RetentionConfig retention) {
        ForrestConfig plain = TestConfigs.config(base, "1G");
        HostConfig host = plain.host();
        config = new ForrestConfig(
                new HostConfig(
                        base,
                        host.ram(),
                        DataSize.ofGibibytes(7),
                        host.listen(),
                        host.hypervisor(),
                        host.hypervisorSettings(),
                        host.runner(),
                        retention),
                plain.github(),
                plain.repositories());
    }

    /** A machine's directory with these files in it, of which none changed since. */
    private RunDirectory run(Duration age, String... files) throws IOException {
        RunDirectory run = RunDirectory.of(base, MachineId.random(TestConfigs.typeId("build")));
        run.create();
        for (String file : files) {
            Files.writeString(run.path().resolve(file), "content");
        }
        age(run, age);
        return run;
    }

    private static void age(RunDirectory run, Duration age) throws IOException {
        List<Path> all;
        try (Stream<Path> files = Files.walk(run.path())) {
            all = files.filter(file -> !Files.isSymbolicLink(file)).toList();
        }
        for (Path file : all) {
            Files.setLastModifiedTime(file, FileTime.from(NOW.minus(age)));
        }
    }

    private void writeLarge(Path log) throws IOException {
        Files.writeString(log, "x".repeat(10_000));
    }

    // ---- run directories ----

    @Test
    public void directoriesOfMachinesThatEndedLongAgoGoAndTheOthersStay() throws Exception {
        RunDirectory old = run(OLD, "log.txt", "qemu.log", "machine.json");
        RunDirectory young = run(Duration.ofDays(29), "log.txt");
        housekeeper.makeRound(NOW);
        assertThat(old.path()).doesNotExist();
        assertThat(young.log()).exists();
        assertThat(complaints).isEmpty();

        retain(new RetentionConfig(5, Optional.empty(), Duration.ofDays(20), LOG_SIZE));
        housekeeper.makeRound(NOW);
        assertThat(young.path()).doesNotExist();
    }

    @Test
    public void whatChangedLastCounts() throws Exception {
        RunDirectory run = run(OLD, "log.txt", "qemu.log");
        Files.setLastModifiedTime(run.log(), FileTime.from(NOW.minus(Duration.ofDays(1))));
        housekeeper.makeRound(NOW);
        assertThat(run.path()).exists();
    }

    @Test
    public void aMachineThatIsNotGoneKeepsItsDirectoryHoweverOld() throws Exception {
        RunDirectory run = run(OLD, "log.txt");
        alive.add(run.machine());
        housekeeper.makeRound(NOW);
        assertThat(run.log()).exists();

        alive.clear();
        housekeeper.makeRound(NOW);
        assertThat(run.path()).doesNotExist();
    }

    @Test
    public void aDirectoryWithADiskIsNeverRemoved() throws Exception {
        RunDirectory run = run(OLD, "log.txt", "disk.img");
        RunDirectory link = run(OLD);
        Files.createSymbolicLink(link.disk(), base.resolve("nothing"));
        age(link, OLD);
        housekeeper.makeRound(NOW);
        assertThat(run.disk()).exists();
        assertThat(link.disk()).isSymbolicLink();
    }

    @Test
    public void aRescuedDiskIsNeverRemovedAndToldOfOnce() throws Exception {
        RunDirectory run = run(OLD, "log.txt", "disk.img.rescued");
        housekeeper.makeRound(NOW);
        housekeeper.makeRound(NOW.plus(Duration.ofHours(1)));
        assertThat(run.rescuedDisk()).exists();
        assertThat(complaints)
                .singleElement()
                .asString()
                .contains(run.rescuedDisk().toString(), "takes up space");
    }

    @Test
    public void whatALinkLeadsToStays() throws Exception {
        Path precious = Files.createTempDirectory("precious");
        Files.writeString(precious.resolve("log.txt"), "precious");
        RunDirectory run = run(OLD, "log.txt");
        Files.createSymbolicLink(run.path().resolve("link"), precious);
        age(run, OLD);
        Path elsewhere = precious.resolve("type");
        RunDirectory moved = RunDirectory.of(base, MachineId.random(TestConfigs.typeId("linked")));
        Path foreign = elsewhere.resolve(moved.machine().runnerName());
        Files.createDirectories(foreign);
        Files.setLastModifiedTime(foreign, FileTime.from(NOW.minus(OLD)));
        Files.createSymbolicLink(moved.path().getParent(), elsewhere);

        housekeeper.makeRound(NOW);
        // Links are of today, so the first one is only old enough later.
        housekeeper.makeRound(Files.getLastModifiedTime(run.path().resolve("link"), LinkOption.NOFOLLOW_LINKS)
                .toInstant()
                .plus(OLD));
        assertThat(run.path()).doesNotExist();
        assertThat(precious.resolve("log.txt")).hasContent("precious");
        assertThat(foreign).exists();
    }

    @Test
    public void whereRunsLiesBehindALinkOldDirectoriesGoAllTheSame() throws Exception {
        RunDirectory run = run(OLD, "log.txt");
        Path volume = Files.createTempDirectory("volume").resolve("runs");
        Files.move(base.resolve("runs"), volume);
        Files.createSymbolicLink(base.resolve("runs"), volume);
        housekeeper.makeRound(NOW);
        assertThat(run.path()).doesNotExist();
    }

    @Test
    public void oneDirectoryThatCannotBeLookedIntoIsToldOfOnceAndStopsNothing() throws Exception {
        RunDirectory run = run(OLD, "log.txt");
        Path loop = base.resolve("runs/aaa");
        Files.createSymbolicLink(loop, loop);
        housekeeper.makeRound(NOW);
        housekeeper.makeRound(NOW);
        assertThat(run.path()).doesNotExist();
        assertThat(complaints).singleElement().asString().contains(loop.toString(), "cannot be looked at");

        // It went well in between.
        Files.delete(loop);
        housekeeper.makeRound(NOW);
        Files.createSymbolicLink(loop, loop);
        housekeeper.makeRound(NOW);
        assertThat(complaints).hasSize(2);
    }

    @Test
    public void whatIsNoRunDirectoryIsNotTouched() throws Exception {
        Path other = Files.createDirectories(base.resolve("runs/acme/firmware/build/notes"));
        Files.setLastModifiedTime(other, FileTime.from(NOW.minus(OLD)));
        housekeeper.makeRound(NOW);
        assertThat(other).exists();
    }

    // ---- images ----

    @Test
    public void imagesAreTidiedAsTheConfigurationSaysNow() throws Exception {
        DiskOrigin origin = new DiskOrigin(Path.of("/image"), true, "1");
        inUse.add(origin);
        housekeeper.makeRound(NOW);
        assertThat(images.tidied())
                .contains(new Tidying(new Retention(5, Optional.empty(), DataSize.ofGibibytes(7)), Set.of(origin)));

        inUse.clear();
        retain(new RetentionConfig(2, Optional.of(Duration.ofDays(90)), Duration.ofDays(30), LOG_SIZE));
        housekeeper.makeRound(NOW);
        assertThat(images.tidied())
                .contains(new Tidying(
                        new Retention(2, Optional.of(Duration.ofDays(90)), DataSize.ofGibibytes(7)), Set.of()));
    }

    @Test
    public void aFailureToTidyIsToldOnceForAsLongAsItLasts() throws Exception {
        images.hooks().failEach(Call.TIDY, Optional.of(PluginException.Kind.BROKEN));
        housekeeper.makeRound(NOW);
        housekeeper.makeRound(NOW);
        assertThat(complaints).singleElement().asString().contains("the fake was told to fail TIDY");

        images.hooks().failEach(Call.TIDY, Optional.empty());
        housekeeper.makeRound(NOW);
        images.hooks().failEach(Call.TIDY, Optional.of(PluginException.Kind.BROKEN));
        housekeeper.makeRound(NOW);
        assertThat(complaints).hasSize(2);
    }

    @Test
    public void aBugInTheImageStoreKeepsNoDirectoryFromBeingRemovedNorTheNextRoundFromComing() throws Exception {
        images.hooks().beforeNext(Call.TIDY, () -> {
            throw new IllegalStateException("a bug");
        });
        RunDirectory run = run(OLD, "log.txt");
        housekeeper.makeRound(NOW);
        assertThat(run.path()).doesNotExist();
        assertThat(images.tidied()).isEmpty();
        housekeeper.makeRound(NOW);
        assertThat(images.tidied()).isPresent();
    }

    // ---- logs ----

    @Test
    public void theLogsOfMachinesThatAreNotGoneAreCapped() throws Exception {
        RunDirectory running = run(Duration.ZERO, "disk.img");
        RunDirectory other = run(Duration.ZERO);
        alive.add(running.machine());
        alive.add(MachineId.random(TestConfigs.typeId("not-yet")));
        for (RunDirectory run : List.of(running, other)) {
            writeLarge(run.log());
            writeLarge(run.path().resolve("qemu.log"));
        }
        writeLarge(running.disk());
        housekeeper.capLogs();
        assertThat(running.log()).isEmptyFile();
        assertThat(running.path().resolve("log.txt.1")).isNotEmptyFile();
        assertThat(running.path().resolve("qemu.log")).isEmptyFile();
        assertThat(running.disk()).hasSize(10_000);
        assertThat(other.log()).hasSize(10_000);
        assertThat(complaints).isEmpty();
    }

    @Test
    public void theSizeOfLogsIsThatOfTheConfigurationNow() throws Exception {
        RunDirectory run = run(Duration.ZERO);
        alive.add(run.machine());
        retain(new RetentionConfig(5, Optional.empty(), Duration.ofDays(30), DataSize.parse("10000B")));
        writeLarge(run.log());
        housekeeper.capLogs();
        assertThat(run.log()).hasSize(10_000);
        retain(new RetentionConfig(5, Optional.empty(), Duration.ofDays(30), DataSize.parse("9999B")));
        housekeeper.capLogs();
        assertThat(run.log()).isEmptyFile();
    }

    @Test
    public void whatAGuestWroteWhileNoForrestRanIsCappedAfterItsEnd() throws Exception {
        RunDirectory run = run(Duration.ZERO);
        writeLarge(run.log());
        housekeeper.makeRound(NOW);
        assertThat(run.log()).isEmptyFile();
        assertThat(run.path().resolve("log.txt.1")).isNotEmptyFile();
    }

    @Test
    public void aLogThatCannotBeCappedIsToldOfOnceAndTheOthersAreCapped() throws Exception {
        RunDirectory stuck = run(Duration.ZERO);
        RunDirectory well = run(Duration.ZERO);
        alive.addAll(List.of(stuck.machine(), well.machine()));
        Files.createDirectories(stuck.path().resolve("log.txt.1/in the way"));
        writeLarge(stuck.path().resolve("qemu.log"));
        writeLarge(well.log());
        for (int i = 0; i < 2; i++) {
            writeLarge(stuck.log());
            housekeeper.capLogs();
        }
        assertThat(stuck.path().resolve("qemu.log")).isEmptyFile();
        assertThat(well.log()).isEmptyFile();
        assertThat(complaints).singleElement().asString().contains(stuck.log().toString());
    }

    // ---- its threads ----

    @Test(timeOut = 120_000)
    public void itMakesARoundAtTheStartAndWhenItIsNudged() throws Exception {
        Gate first = new Gate();
        Gate second = new Gate();
        images.hooks().beforeNext(Call.TIDY, first);
        images.hooks().beforeNext(Call.TIDY, second);
        housekeeper.start();
        first.awaitEntered();
        // Asked for during a round, whose end may come too late for it: there is another one.
        housekeeper.nudge();
        first.open();
        second.awaitEntered();
        second.open();
    }

    @Test
    public void whileSpaceIsShortItMakesRoundsWithoutWaitingForTheHourToEnd() throws Exception {
        Gate first = new Gate();
        Gate second = new Gate();
        images.hooks().beforeNext(Call.TIDY, first);
        images.hooks().beforeNext(Call.TIDY, second);
        housekeeper.start();
        first.awaitEntered();
        first.open();
        images.freeSpace(new DataSize(1));
        second.awaitEntered();
        second.open();
    }

    @Test(timeOut = 120_000)
    public void logsAreCappedWhileImagesAreTidied() throws Exception {
        Gate tidying = new Gate();
        images.hooks().beforeNext(Call.TIDY, tidying);
        CountDownLatch capping = new CountDownLatch(3);
        try (Housekeeper busy = new Housekeeper(
                base,
                () -> config,
                images,
                new ManualClock(NOW),
                () -> {
                    capping.countDown();
                    return Set.of();
                },
                Set::of)) {
            busy.start();
            tidying.awaitEntered();
            // Once for the round, once at the start, and once again five seconds later.
            assertThat(capping.await(60, TimeUnit.SECONDS)).isTrue();
            tidying.open();
        }
    }

    @Test(timeOut = 120_000)
    public void closingItInterruptsTheTidyingWithoutAWord() throws Exception {
        Gate tidying = new Gate();
        images.hooks().beforeNext(Call.TIDY, tidying);
        housekeeper.start();
        tidying.awaitEntered();
        housekeeper.close();
        housekeeper.close();
        assertThat(images.tidied()).isEmpty();
        assertThat(complaints).isEmpty();
        assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .doesNotContain("forrest-housekeeper", "forrest-log-cap");
    }

    @Test
    public void oneThatWasNeverStartedCanBeClosed() {
        housekeeper.close();
        assertThat(images.tidied()).isEmpty();
    }
}
