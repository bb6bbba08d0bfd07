package io.forrest.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.files.AtomicFiles;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Factory;
import org.testng.annotations.Test;

@Test(groups = "loop")
public class GenerationsTest {
    private static final Retention ONE = new Retention(1, Optional.empty(), DataSize.ZERO);

    private final String fileSystemType;
    private LoopFileSystem fileSystem;
    private Path base;
    private Disks disks;
    private ManualClock clock;
    private ReflinkImageStore store;
    private ImageCatalog catalog;

    @Factory(dataProvider = "fileSystems")
    public GenerationsTest(String fileSystemType) {
        this.fileSystemType = fileSystemType;
    }

    @DataProvider
    public static Object[][] fileSystems() {
        return new Object[][] {{"xfs"}, {"btrfs"}};
    }

    @BeforeClass
    public void mount() {
        fileSystem = LoopFileSystem.mount(fileSystemType);
    }

    @AfterClass(alwaysRun = true)
    public void unmount() {
        if (fileSystem != null) {
            fileSystem.close();
        }
    }

    @BeforeMethod
    public void makeStore() throws IOException {
        base = Files.createTempDirectory(fileSystem.directory(), "base");
        disks = new Disks(base);
        clock = new ManualClock(Instant.parse("2026-06-01T00:00:00Z"));
        store = new ReflinkImageStore(base, clock);
        catalog = new ImageCatalog(base, clock);
    }

    private void promoteAll(String contents) throws Exception {
        for (int i = 0; i < contents.length(); i++) {
            disks.promote(store, contents.substring(i, i + 1));
        }
    }

    private List<Generation> history() throws PluginException {
        return catalog.history(Disks.TYPE);
    }

    private List<Integer> numbers() throws PluginException {
        return history().stream().map(generation -> generation.id().number()).toList();
    }

    private Generation generation(int number) throws PluginException {
        return history().stream()
                .filter(generation -> generation.id().number() == number)
                .findFirst()
                .orElseThrow();
    }

    private static void assertRefused(ThrowingCallable call, String... words) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED))
                .hasMessageContainingAll(words);
    }

    // ---- What a promotion leaves.

    @Test
    public void theMachineImageIsAPlainFileThatCanBeWrittenToWithoutHarmToItsGeneration() throws Exception {
        promoteAll("p");
        assertThat(Files.getPosixFilePermissions(disks.generation(1)))
                .isEqualTo(PosixFilePermissions.fromString("r--------"));
        assertThat(Files.mismatch(disks.image(), disks.generation(1))).isEqualTo(-1);
        Files.writeString(disks.image(), "x");
        assertThat(Disks.first(disks.generation(1))).isEqualTo("p");
    }

    @Test
    public void theHistoryTellsWhereAGenerationComesFrom() throws Exception {
        promoteAll("p");
        clock.advance(Duration.ofHours(1));
        Provenance provenance = Disks.withJob(disks.origin(store));
        Path disk = disks.make("q");
        long size = Files.size(disk);
        store.promote(Disks.TYPE, disk, provenance);
        store.cameUp(disks.origin(store));

        Generation newest = history().get(0);
        assertThat(newest.id()).hasToString("acme/firmware/build@2");
        assertThat(newest.image()).isEqualTo(disks.generation(2));
        assertThat(newest.size()).isEqualTo(new DataSize(size));
        assertThat(newest.current()).isTrue();
        assertThat(newest.madeAt()).hasValue(clock.instant());
        assertThat(newest.source()).isEqualTo("job");
        assertThat(newest.machine()).hasValue(provenance.machine().runnerName());
        assertThat(newest.repository()).hasValue("acme/firmware");
        assertThat(newest.job()).hasValue(42);
        assertThat(newest.workflowRun()).hasValue(7);
        assertThat(newest.commit()).hasValue("0123abcd");
        assertThat(newest.parent()).hasValue("acme/firmware/build@1");
        assertThat(newest.proven()).isTrue();
        assertThat(newest.pinned()).isFalse();
        assertThat(newest.setAside()).isEmpty();
        assertThat(newest.problem()).isEmpty();
        assertThat(generation(1).current()).isFalse();
        assertThat(catalog.types()).containsExactly(Disks.TYPE);
    }

    @Test
    public void theMachineImageIsAsOldAsItsPromotion() throws Exception {
        promoteAll("p");
        assertThat(Files.getLastModifiedTime(disks.image())).isEqualTo(FileTime.from(clock.instant()));
    }

    @Test
    public void aTypeOfWhichThereIsNothingIsLookedAtWithoutATrace() throws Exception {
        assertThat(history()).isEmpty();
        assertThat(catalog.types()).isEmpty();
        store.tidy(ONE, Set.of());
        assertRefused(() -> catalog.rollBack(Disks.TYPE, Optional.empty(), "me"), "acme/firmware/build");
        assertThat(base).isEmptyDirectory();
    }

    // ---- Images that people put there.

    @Test
    public void anImageOfAnEarlierForrestBecomesTheFirstGenerationWhenADiskIsMadeOfIt() throws Exception {
        Files.createDirectories(disks.image().getParent());
        Files.move(disks.make("u"), disks.image());
        Files.setLastModifiedTime(disks.image(), FileTime.from(Disks.ENDED));
        assertThat(catalog.isForeign(Disks.TYPE)).isTrue();

        DiskOrigin origin = disks.origin(store);
        assertThat(origin.version()).isEqualTo("acme/firmware/build@1");
        assertThat(history()).singleElement().satisfies(found -> {
            assertThat(found.source()).isEqualTo("found in place");
            assertThat(found.current()).isTrue();
            assertThat(found.madeAt()).hasValue(clock.instant());
        });
        assertThat(catalog.isForeign(Disks.TYPE)).isFalse();
        assertThat(Files.getLastModifiedTime(disks.image())).isEqualTo(FileTime.from(Disks.ENDED));
        assertThat(disks.origin(store)).isEqualTo(origin);
        assertThat(numbers()).containsExactly(1);
    }

    @Test
    public void anImageThatSomebodyPutThereIsNotLostWhenAnotherIsPromoted() throws Exception {
        promoteAll("p");
        Files.delete(disks.image());
        Files.move(disks.make("u"), disks.image());
        promoteAll("q");
        assertThat(numbers()).containsExactly(3, 2, 1);
        assertThat(Disks.first(disks.generation(2))).isEqualTo("u");
        assertThat(disks.next(store)).isEqualTo("q");
    }

    @Test
    public void anImageThatWasChangedInPlaceIsAnotherGeneration() throws Exception {
        promoteAll("p");
        DiskOrigin before = disks.origin(store);
        try (RandomAccessFile file = new RandomAccessFile(disks.image().toFile(), "rw")) {
            file.write('v');
        }
        assertThat(store.setAside(before, "it does not come up"))
                .as("what was changed may be what did not come up, so nobody is blamed")
                .isEmpty();
        assertThat(disks.next(store)).isEqualTo("v");
        assertThat(disks.origin(store).version()).isEqualTo("acme/firmware/build@2");
        assertThat(Disks.first(disks.generation(1))).isEqualTo("p");
    }

    @Test
    public void anImageThatIsALinkBecomesAFileAndWhatItLedToStaysAsItIs() throws Exception {
        Path elsewhere = disks.make("u");
        Files.createDirectories(disks.image().getParent());
        Files.createSymbolicLink(disks.image(), elsewhere);
        assertThat(disks.next(store)).isEqualTo("u");
        assertThat(disks.next(store)).isEqualTo("u");
        assertThat(numbers()).containsExactly(1);
        assertThat(Files.isSymbolicLink(disks.image())).isFalse();
        assertThat(GenerationMark.read(elsewhere)).isEmpty();

        Files.delete(disks.image());
        Files.createLink(disks.image(), elsewhere);
        assertThat(disks.next(store)).isEqualTo("u");
        assertThat(GenerationMark.read(elsewhere)).isEmpty();
    }

    @Test
    public void anImageThatWasCopiedFromAnotherTypeWithItsAttributesIsNotTakenForItsGeneration() throws Exception {
        promoteAll("p");
        Path other = disks.image().resolveSibling("test.img");
        new FileCloner().clone(disks.image(), other);
        GenerationMark.read(disks.image()).orElseThrow().write(other);
        Files.setLastModifiedTime(other, Files.getLastModifiedTime(disks.image()));
        assertThat(catalog.isForeign(TestConfigs.typeId("test"))).isTrue();
    }

    @Test
    public void anImageThatSomebodyRemovedStaysAwayAndItsGenerationsStay() throws Exception {
        promoteAll("pq");
        Path debian = disks.make("d");
        Files.delete(disks.image());
        store.tidy(new Retention(10, Optional.empty(), DataSize.ZERO), Set.of());
        assertThat(disks.image()).doesNotExist();
        assertThat(Disks.create(store, disks.newPath(), Optional.of(debian)).image())
                .isEqualTo(debian);
        assertThat(generation(2).setAside()).hasValueSatisfying(aside -> {
            assertThat(aside.reason()).contains("removed by hand");
            assertThat(aside.byHand()).isTrue();
        });
        catalog.rollBack(Disks.TYPE, Optional.of(2), "me");
        assertThat(disks.next(store)).isEqualTo("q");
    }

    // ---- Going back.

    @Test
    public void rollingBackGoesToTheGoodOneBeforeAndTellsOfItInTheHistory() throws Exception {
        promoteAll("pqr");
        store.setAside(disks.origin(store), "it does not come up");
        clock.advance(Duration.ofDays(1));
        Generation now = catalog.rollBack(Disks.TYPE, Optional.empty(), "alice");
        assertThat(now.id().number()).isEqualTo(1);
        assertThat(now.current()).isTrue();
        assertThat(disks.next(store)).isEqualTo("p");
        assertThat(generation(2).setAside())
                .hasValue(new Generation.SetAside("rolled back by alice", clock.instant(), true));
        assertThat(Files.getLastModifiedTime(disks.image())).isEqualTo(FileTime.from(clock.instant()));
        assertRefused(() -> catalog.rollBack(Disks.TYPE, Optional.empty(), "alice"), "no good generation before");
    }

    @Test
    public void rollingBackGoesToAnyGenerationAndForwardAgain() throws Exception {
        promoteAll("pqr");
        assertRefused(() -> catalog.rollBack(Disks.TYPE, Optional.of(7), "me"), "no generation 7", "[3, 2, 1]");
        catalog.rollBack(Disks.TYPE, Optional.of(1), "me");
        assertThat(disks.next(store)).isEqualTo("p");
        catalog.rollBack(Disks.TYPE, Optional.of(3), "me");
        assertThat(disks.next(store)).isEqualTo("r");
        assertThat(generation(3).setAside()).isEmpty();
        promoteAll("s");
        assertThat(disks.next(store)).isEqualTo("s");
        assertThat(numbers()).containsExactly(4, 3, 2, 1);
    }

    @Test
    public void whatSomebodyRolledBackForrestDoesNotReinstate() throws Exception {
        promoteAll("pqr");
        DiskOrigin origin = disks.origin(store);
        store.setAside(origin, "it does not come up");
        catalog.rollBack(Disks.TYPE, Optional.of(1), "me");
        assertThat(store.reinstate(origin)).isFalse();
        assertThat(disks.next(store)).isEqualTo("p");
    }

    @Test
    public void theLastGoodImageIsSetAsideToTheReferencesNameAndComesBackFromThere() throws Exception {
        promoteAll("p");
        DiskOrigin origin = disks.origin(store);
        Path broken = disks.image().resolveSibling("build.img.broken");
        assertThat(store.setAside(origin, "it does not come up")).hasValue("its base");
        assertThat(Disks.first(broken)).isEqualTo("p");
        assertThat(disks.image()).doesNotExist();
        assertThat(store.reinstate(origin)).isTrue();
        assertThat(disks.next(store)).isEqualTo("p");
        assertThat(broken).doesNotExist();
    }

    @Test
    public void whatDisksAreMadeOfAfterwardsIsNamed() throws Exception {
        promoteAll("pq");
        assertThat(store.setAside(disks.origin(store), "it does not come up"))
                .hasValue("generation 1 of acme/firmware/build");
        assertThat(generation(2).setAside())
                .hasValue(new Generation.SetAside("it does not come up", clock.instant(), false));
    }

    // ---- Keeping and removing.

    @Test
    public void whatIsPinnedIsKeptUntilItIsUnpinned() throws Exception {
        promoteAll("pqr");
        catalog.pin(Disks.TYPE, 1);
        store.tidy(ONE, Set.of());
        assertThat(numbers()).containsExactly(3, 1);
        assertRefused(() -> catalog.remove(Disks.TYPE, 1), "pinned");
        catalog.unpin(Disks.TYPE, 1);
        store.tidy(ONE, Set.of());
        assertThat(numbers()).containsExactly(3);
    }

    @Test
    public void theMachineImageIsNotRemovedAndNoNumberIsUsedTwice() throws Exception {
        promoteAll("pqr");
        assertRefused(() -> catalog.remove(Disks.TYPE, 3), "is the machine image");
        catalog.rollBack(Disks.TYPE, Optional.empty(), "me");
        catalog.remove(Disks.TYPE, 3);
        assertThat(numbers()).containsExactly(2, 1);
        promoteAll("s");
        assertThat(numbers()).containsExactly(4, 2, 1);
        assertThat(disks.record(3)).doesNotExist();
        assertThat(disks.next(store)).isEqualTo("s");
    }

    @Test
    public void whatIsOlderThanTheRetentionSaysGoes() throws Exception {
        promoteAll("p");
        clock.advance(Duration.ofDays(10));
        promoteAll("q");
        clock.advance(Duration.ofDays(25));
        promoteAll("r");
        store.tidy(new Retention(10, Optional.of(Duration.ofDays(30)), DataSize.ZERO), Set.of());
        assertThat(numbers()).containsExactly(3, 2);
        clock.advance(Duration.ofDays(365));
        store.tidy(new Retention(10, Optional.of(Duration.ofDays(30)), DataSize.ZERO), Set.of());
        assertThat(numbers()).containsExactly(3);
    }

    @Test
    public void asManyAsNeedBeGoToMakeRoomTheOldestFirst() throws Exception {
        for (int i = 0; i < 4; i++) {
            Path disk = disks.newPath();
            byte[] content = new byte[8 << 20];
            new Random(i).nextBytes(content);
            Files.write(disk, content);
            store.promote(Disks.TYPE, disk, Disks.by(MachineId.random(Disks.TYPE)));
            clock.advance(Duration.ofDays(1));
        }
        new FileCloner().syncFileSystem(base);
        DataSize wanted = store.freeSpace().plus(DataSize.parse("12M"));
        store.tidy(new Retention(10, Optional.empty(), wanted), Set.of());
        assertThat(store.freeSpace()).isGreaterThanOrEqualTo(wanted);
        assertThat(numbers()).containsExactly(4, 3);
    }

    @Test
    public void aFullFileSystemKeepsNoForrestFromStarting() throws Exception {
        try (LoopFileSystem small = LoopFileSystem.mount(fileSystemType, 320L << 20)) {
            fill(small.directory());
            assertThat(new ReflinkImageStore(small.directory()).checkHost()).isEmpty();
        }
    }

    @Test
    public void anImageThatIsOnlySuspectedStaysWhenSpaceIsShortAsItMayBeTakenBack() throws Exception {
        promoteAll("abc");
        DiskOrigin suspect = disks.origin(store);
        store.setAside(suspect, "no machine came up");
        store.tidy(new Retention(10, Optional.empty(), store.freeSpace().plus(DataSize.parse("1G"))), Set.of());
        assertThat(numbers()).containsExactly(3, 2);
        assertThat(store.reinstate(suspect)).isTrue();
        assertThat(disks.next(store)).isEqualTo("c");
    }

    @Test
    public void anImportedImageIsTheNewestGeneration() throws Exception {
        promoteAll("p");
        Path raw = disks.make("i");
        Generation imported = catalog.add(Disks.TYPE, raw, "debian.qcow2");
        assertThat(imported.source()).isEqualTo("imported from debian.qcow2");
        assertThat(imported.current()).isTrue();
        assertThat(raw).doesNotExist();
        assertThat(disks.next(store)).isEqualTo("i");
    }

    // ---- Records that are not as they should be.

    @DataProvider
    public static Object[][] damages() {
        return new Object[][] {
            {"", "damaged"},
            {"{\"version\": 1, \"sour", "damaged"},
            {"[]", "damaged"},
            {"{\"version\": 1, \"source\": \"job\", \"madeAt\": \"yesterday\"}", "damaged"},
            {"{\"version\": 1, \"source\": \"job\", \"madeAt\": \"2026-01-01T00:00:00Z\", \"pinned\": 3}", "pinned"},
            {"{\"version\": 2, \"pinned\": \"for-ever\"}", "format 2"},
        };
    }

    @Test(dataProvider = "damages")
    public void aRecordThatCannotBeReadIsSaidAndItsGenerationStays(String content, String word) throws Exception {
        promoteAll("pqr");
        Files.writeString(disks.record(1), content);
        Files.writeString(disks.record(3), content);
        assertThat(generation(1).problem())
                .hasValueSatisfying(problem ->
                        assertThat(problem).contains(disks.record(1).toString()).contains(word));
        store.tidy(ONE, Set.of());
        assertThat(numbers()).containsExactly(3, 1);
        assertThat(disks.next(store)).isEqualTo("r");
        promoteAll("s");
        assertThat(numbers()).containsExactly(4, 3, 1);
        assertThat(disks.next(store)).isEqualTo("s");
    }

    @Test
    public void aRecordOfALaterForrestIsNotWrittenOver() throws Exception {
        promoteAll("op");
        String later = "{\"version\": 2}";
        Files.writeString(disks.record(2), later);
        for (ThrowingCallable change : List.<ThrowingCallable>of(
                () -> catalog.pin(Disks.TYPE, 2),
                () -> catalog.rollBack(Disks.TYPE, Optional.of(1), "me"),
                () -> store.cameUp(disks.origin(store)),
                () -> store.setAside(disks.origin(store), "it does not come up"))) {
            assertThatThrownBy(change)
                    .isInstanceOf(PluginException.class)
                    .hasMessageContainingAll("acme/firmware/build@2", "format 2");
        }
        assertThat(Files.readString(disks.record(2))).isEqualTo(later);
        assertThat(disks.next(store)).isEqualTo("p");
    }

    @Test
    public void whatALaterForrestAddedToARecordStaysInIt() throws Exception {
        promoteAll("p");
        Files.writeString(
                disks.record(1),
                Files.readString(disks.record(1)).replaceFirst("\\{", "{\"colour\": {\"name\": \"blue\"},"));
        assertThat(generation(1).problem()).isEmpty();
        catalog.pin(Disks.TYPE, 1);
        assertThat(generation(1).pinned()).isTrue();
        assertThat(Files.readString(disks.record(1))).contains("colour", "blue");
    }

    @Test
    public void aRecordThatIsGoneIsMadeAnewWhenThereIsSomethingToNote() throws Exception {
        promoteAll("p");
        Files.delete(disks.record(1));
        assertThat(generation(1).problem()).isPresent();
        store.cameUp(disks.origin(store));
        assertThat(generation(1).problem()).isEmpty();
        assertThat(generation(1).proven()).isTrue();
    }

    // ---- No space.

    @Test
    public void onAFullFileSystemAPromotionLosesNothingAndIsCompletedWhenThereIsRoom() throws Exception {
        try (LoopFileSystem small = LoopFileSystem.mount(fileSystemType, 320L << 20)) {
            Path smallBase = Files.createDirectory(small.directory().resolve("base"));
            Disks smallDisks = new Disks(smallBase);
            ReflinkImageStore smallStore = new ReflinkImageStore(smallBase);
            smallDisks.promote(smallStore, "o");
            Path disk = smallDisks.make("n");
            Provenance provenance = Disks.by(MachineId.random(Disks.TYPE));
            AtomicFiles.sync(disk);
            Path ballast = fill(smallBase);
            new FileCloner().syncFileSystem(smallBase);

            assertThatThrownBy(() -> smallStore.promote(Disks.TYPE, disk, provenance))
                    .isInstanceOfSatisfying(
                            PluginException.class,
                            e -> assertThat(e.kind()).as(e.getMessage()).isEqualTo(PluginException.Kind.RETRY_LATER));
            assertThat(Disks.first(smallDisks.image())).isEqualTo("o");
            Set<String> contents = Set.of(disk, smallDisks.generation(1), smallDisks.generation(2)).stream()
                    .filter(Files::exists)
                    .map(GenerationsTest::firstOf)
                    .collect(Collectors.toSet());
            assertThat(contents).containsExactlyInAnyOrder("o", "n");

            for (Path file : List.of(ballast, ballast.resolveSibling("crumbs"))) {
                Files.deleteIfExists(file);
            }
            new FileCloner().syncFileSystem(smallBase);
            smallStore.promote(Disks.TYPE, disk, provenance);
            assertThat(Disks.first(smallDisks.image())).isEqualTo("n");
            assertThat(disk).doesNotExist();
        }
    }

    private static String firstOf(Path image) {
        try {
            return Disks.first(image);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Takes up all there is, in large and then in small pieces. */
    private static Path fill(Path directory) throws IOException {
        Path ballast = directory.resolve("ballast");
        Path crumbs = directory.resolve("crumbs");
        for (Path file : List.of(ballast, crumbs)) {
            byte[] piece = new byte[file.equals(ballast) ? 1 << 20 : 4096];
            new Random(1).nextBytes(piece);
            try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rwd")) {
                while (true) {
                    out.write(piece);
                }
            } catch (IOException e) {
                assertThat(Failures.isNoSpace(e)).as(e.toString()).isTrue();
            }
        }
        return ballast;
    }
}
