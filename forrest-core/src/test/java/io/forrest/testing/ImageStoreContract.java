package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What every {@link ImageStore} does. Extend it, and give it a store on a directory where yours works. */
public abstract class ImageStoreContract {
    private static final Instant PAST = Instant.parse("2026-01-01T00:00:00Z");
    private static final DataSize SIZE = DataSize.parse("1M");

    private Path directory;
    private ImageStore store;
    private int names;

    private MachineTypeId base;
    private MachineTypeId type;
    private Path baseImage;

    /** An existing directory where disks and base images of the store can be; the same for all tests of the class. */
    protected abstract Path directory();

    /** A store with this base directory. */
    protected abstract ImageStore store(Path baseDirectory);

    /** Puts the state of a TPM where people put it, of the store that was made with this base directory. */
    protected abstract void putTpmState(ImageStore store, Path baseDirectory, MachineTypeId type, byte[] state)
            throws IOException;

    @BeforeMethod
    public void makeStore() throws IOException {
        directory = Files.createTempDirectory(directory(), "store");
        store = store(directory.resolve("base"));
        Files.createDirectories(directory.resolve("base"));
        base = TestConfigs.typeId("base");
        type = TestConfigs.typeId("build");
        baseImage = directory.resolve("debian.raw");
        Files.write(baseImage, filled('s', 8192));
    }

    private static byte[] filled(char with, int length) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) with);
        return bytes;
    }

    private Path newDisk() {
        return directory.resolve("base").resolve("disk" + names++ + ".img");
    }

    private DiskRequest onBaseImage(UseBase policy) {
        return new DiskRequest(type, Optional.empty(), Optional.of(baseImage), policy, SIZE);
    }

    private DiskRequest onBaseMachine() {
        return new DiskRequest(type, Optional.of(base), Optional.of(baseImage), UseBase.IF_NEWER, SIZE);
    }

    private static char first(Path disk) throws IOException {
        return (char) Files.readAllBytes(disk)[0];
    }

    private static Provenance by(MachineTypeId type) {
        return new Provenance(MachineId.random(type), Optional.empty(), Optional.empty(), PAST);
    }

    /** Makes a disk that begins with {@code with} the machine image of {@code of}. */
    private void promote(MachineTypeId of, char with) throws IOException, PluginException {
        promote(of, with, by(of));
    }

    private void promote(MachineTypeId of, char with, Provenance provenance) throws IOException, PluginException {
        Path disk = newDisk();
        Files.write(disk, filled(with, 8192));
        store.promote(of, disk, provenance);
        assertThat(disk).doesNotExist();
    }

    private void assertFails(PluginException.Kind kind, DiskRequest request, String... words) {
        Path disk = newDisk();
        assertThatThrownBy(() -> store.createDisk(request, disk))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContainingAll(words);
        assertThat(disk).doesNotExist();
    }

    @Test
    public void aSoundHostHasNoProblems() {
        assertThat(store.checkHost()).isEmpty();
    }

    @Test
    public void aBaseImageThatCannotBeUsedIsFoundBeforeADiskIsWanted() throws Exception {
        assertThat(store.checkBaseImage(baseImage)).isEmpty();
        Path empty = Files.createFile(directory.resolve("empty.raw"));
        Path folder = Files.createDirectory(directory.resolve("folder.raw"));
        for (Path bad : List.of(empty, folder, directory.resolve("missing.raw"))) {
            assertThat(store.checkBaseImage(bad)).singleElement().satisfies(problem -> assertThat(problem.where())
                    .isEqualTo(bad.toString()));
        }
    }

    @Test
    public void aDiskIsAPrivateCopyThatIsGrownAndNeverShrunk() throws Exception {
        Path disk = newDisk();
        DiskOrigin origin = store.createDisk(onBaseImage(UseBase.IF_NEWER), disk);
        assertThat(origin.image()).isEqualTo(baseImage);
        assertThat(origin.ownImage()).isFalse();
        assertThat(Files.size(disk)).isEqualTo(SIZE.bytes());
        assertThat(Arrays.copyOf(Files.readAllBytes(disk), 8192)).isEqualTo(filled('s', 8192));
        Files.write(disk, filled('x', 8192));
        assertThat(first(baseImage)).isEqualTo('s');

        Path small = newDisk();
        store.createDisk(
                new DiskRequest(type, Optional.empty(), Optional.of(baseImage), UseBase.IF_NEWER, new DataSize(4096)),
                small);
        assertThat(Files.size(small)).isEqualTo(8192);
    }

    @Test
    public void eachMachineGetsAPrivateCopyOfItsTypesTpmState() throws Exception {
        Path copy = newDisk();
        assertThat(store.hasTpmState(type)).isFalse();
        assertThat(store.createTpmState(type, copy)).isFalse();
        assertThat(copy).doesNotExist();

        putTpmState(store, directory.resolve("base"), type, filled('t', 2240));
        assertThat(store.hasTpmState(type)).isTrue();
        assertThat(store.hasTpmState(base)).isFalse();
        assertThat(store.createTpmState(type, copy)).isTrue();
        assertThat(copy).hasBinaryContent(filled('t', 2240));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(copy)))
                .isEqualTo("rw-------");
        Files.write(copy, filled('x', 2240));
        Path another = newDisk();
        assertThat(store.createTpmState(type, another)).isTrue();
        assertThat(another).hasBinaryContent(filled('t', 2240));
    }

    @Test
    public void aPromotedDiskIsWhatTheNextOneStartsFrom() throws Exception {
        promote(type, 'p');
        Path disk = newDisk();
        assertThat(store.createDisk(onBaseImage(UseBase.IF_NEWER), disk).ownImage())
                .isTrue();
        assertThat(first(disk)).isEqualTo('p');
    }

    @Test
    public void aPromotionChangesNothingForDisksThatWereMadeBefore() throws Exception {
        promote(type, 'p');
        Path before = newDisk();
        store.createDisk(onBaseImage(UseBase.IF_NEWER), before);
        promote(type, 'q');
        assertThat(first(before)).isEqualTo('p');
    }

    @Test
    public void aBaseThatIsNewerThanTheMachineImageIsUsedInItsPlace() throws Exception {
        promote(type, 'p');
        Files.setLastModifiedTime(baseImage, FileTime.from(Instant.now().plusSeconds(3600)));
        Path disk = newDisk();
        assertThat(store.createDisk(onBaseImage(UseBase.IF_NEWER), disk).ownImage())
                .isFalse();
        assertThat(first(disk)).isEqualTo('s');
    }

    @Test
    public void alwaysUsesTheBaseAndNeverUsesOnlyTheMachineImage() throws Exception {
        assertFails(PluginException.Kind.RETRY_LATER, onBaseImage(UseBase.NEVER), type.toString());
        promote(type, 'p');
        Files.setLastModifiedTime(baseImage, FileTime.from(PAST));
        Path always = newDisk();
        store.createDisk(onBaseImage(UseBase.ALWAYS), always);
        assertThat(first(always)).isEqualTo('s');
        Path never = newDisk();
        store.createDisk(onBaseImage(UseBase.NEVER), never);
        assertThat(first(never)).isEqualTo('p');
    }

    @Test
    public void aBaseMachineWinsOverABaseImageAndIsWaitedFor() throws Exception {
        assertFails(PluginException.Kind.RETRY_LATER, onBaseMachine(), base.toString());
        promote(base, 'b');
        Path disk = newDisk();
        assertThat(store.createDisk(onBaseMachine(), disk).ownImage()).isFalse();
        assertThat(first(disk)).isEqualTo('b');
    }

    @Test
    public void aBaseImageThatIsMissingIsWaitedForAndAnUnusableOneIsRefused() throws Exception {
        Files.delete(baseImage);
        assertFails(PluginException.Kind.RETRY_LATER, onBaseImage(UseBase.IF_NEWER), baseImage.toString());
        Files.createFile(baseImage);
        assertFails(PluginException.Kind.REJECTED, onBaseImage(UseBase.IF_NEWER), baseImage.toString(), "empty");
        Files.delete(baseImage);
        Files.createDirectory(baseImage);
        assertFails(PluginException.Kind.REJECTED, onBaseImage(UseBase.IF_NEWER), baseImage.toString(), "plain file");
    }

    @Test
    public void aFailedPromotionKeepsTheDiskAndTheOldImage() throws Exception {
        promote(type, 'p');
        Path missing = newDisk();
        assertThatThrownBy(() -> store.promote(type, missing, by(type)))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN));
        Path disk = newDisk();
        store.createDisk(onBaseImage(UseBase.IF_NEWER), disk);
        assertThat(first(disk)).isEqualTo('p');
    }

    @Test
    public void aPromotionThatIsTriedAgainIsDoneOnceWhetherOrNotItsDiskIsStillThere() throws Exception {
        Provenance provenance = by(type);
        promote(type, 'p', provenance);
        promote(type, 'q');
        store.promote(type, newDisk(), provenance);
        assertThat(nextDisk()).isEqualTo('q');
        promote(type, 'p', provenance);
        assertThat(nextDisk()).isEqualTo('q');
    }

    @Test
    public void promotionsAtTheSameTimeAllBecomeGenerations() throws Exception {
        String letters = "abcdef";
        CyclicBarrier start = new CyclicBarrier(letters.length());
        ExecutorService threads = Executors.newFixedThreadPool(letters.length());
        try {
            List<Future<?>> promotions = new ArrayList<>();
            for (int i = 0; i < letters.length(); i++) {
                Path disk = newDisk();
                Files.write(disk, filled(letters.charAt(i), 8192));
                promotions.add(threads.submit(() -> {
                    start.await(30, TimeUnit.SECONDS);
                    store.promote(type, disk, by(type));
                    return null;
                }));
            }
            for (Future<?> promotion : promotions) {
                promotion.get(60, TimeUnit.SECONDS);
            }
        } finally {
            threads.shutdownNow();
        }
        Set<Character> seen = new HashSet<>();
        for (int i = 0; i < letters.length(); i++) {
            DiskOrigin origin = origin();
            seen.add(nextDisk());
            assertThat(store.setAside(origin, "the next one, please")).isPresent();
        }
        assertThat(seen).hasSize(letters.length());
        assertThat(origin().ownImage()).isFalse();
    }

    @Test
    public void disksOfTheSameImageHaveTheSameVersionAndOthersNever() throws Exception {
        promote(type, 'p');
        String version = origin().version();
        assertThat(origin().version()).isEqualTo(version);
        promote(type, 'p');
        assertThat(origin().version()).isNotEqualTo(version);
    }

    @Test
    public void anImageThatIsSetAsideLeavesTheOneBeforeAndAtLastTheBase() throws Exception {
        promote(type, 'p');
        promote(type, 'q');
        DiskOrigin broken = origin();
        assertThat(store.setAside(broken, "it does not come up")).isPresent();
        assertThat(nextDisk()).isEqualTo('p');
        assertThat(store.setAside(broken, "it does not come up")).isEmpty();
        assertThat(nextDisk()).isEqualTo('p');
        assertThat(store.setAside(origin(), "it does not come up")).hasValue("its base");
        assertThat(nextDisk()).isEqualTo('s');
        promote(type, 'r');
        assertThat(nextDisk()).isEqualTo('r');
    }

    @Test
    public void theImageThatIsGoneBackToIsUsedThoughTheBaseChangedInBetween() throws Exception {
        promote(type, 'p');
        Files.write(baseImage, filled('s', 8192));
        promote(type, 'q');
        store.setAside(
                origin(new DiskRequest(type, Optional.empty(), Optional.empty(), UseBase.NEVER, SIZE)), "it fails");
        assertThat(nextDisk()).isEqualTo('p');
    }

    @Test
    public void anImageFromWhichAMachineCameUpIsNeverSetAside() throws Exception {
        promote(type, 'p');
        promote(type, 'q');
        DiskOrigin good = origin();
        store.cameUp(good);
        store.cameUp(good);
        assertThat(store.setAside(good, "it does not come up")).isEmpty();
        assertThat(nextDisk()).isEqualTo('q');
    }

    @Test
    public void aBaseThatNothingCanTakeThePlaceOfIsNeitherSetAsideNorReinstated() throws Exception {
        promote(base, 'b');
        DiskOrigin ofBaseMachine = origin(onBaseMachine());
        DiskOrigin ofBaseImage = origin();
        for (DiskOrigin origin : List.of(ofBaseMachine, ofBaseImage)) {
            assertThat(origin.ownImage()).isFalse();
            assertThat(store.setAside(origin, "it does not come up")).isEmpty();
            assertThat(store.reinstate(origin)).isFalse();
            store.cameUp(origin);
        }
        assertThat(origin(onBaseMachine())).isEqualTo(ofBaseMachine);
    }

    @Test
    public void aBaseMachinesImageMakesWayForTheOneBeforeAndIsReinstated() throws Exception {
        promote(base, 'a');
        promote(base, 'b');
        DiskOrigin image = origin(onBaseMachine());
        assertThat(image.ownImage()).isFalse();
        assertThat(store.setAside(image, "it does not come up")).isPresent();
        Path disk = newDisk();
        store.createDisk(onBaseMachine(), disk);
        assertThat(first(disk)).isEqualTo('a');
        assertThat(store.reinstate(image)).isTrue();
        assertThat(origin(onBaseMachine())).isEqualTo(image);
    }

    @Test
    public void anImageIsReinstatedUnlessThereIsANewerOne() throws Exception {
        promote(type, 'p');
        promote(type, 'q');
        DiskOrigin image = origin();
        assertThat(store.reinstate(image)).as("it is the machine image").isFalse();
        store.setAside(image, "it does not come up");
        assertThat(store.reinstate(image)).isTrue();
        assertThat(nextDisk()).isEqualTo('q');
        assertThat(origin()).isEqualTo(image);

        store.setAside(image, "it does not come up");
        promote(type, 'r');
        assertThat(store.reinstate(image)).isFalse();
        assertThat(nextDisk()).isEqualTo('r');
    }

    @Test
    public void theOnlyImageIsReinstatedAfterItsBaseFailedToo() throws Exception {
        promote(type, 'p');
        DiskOrigin image = origin();
        store.setAside(image, "it does not come up");
        assertThat(nextDisk()).isEqualTo('s');
        assertThat(store.reinstate(image)).isTrue();
        assertThat(origin()).isEqualTo(image);
    }

    @Test
    public void theRetentionLeavesTheMachineImageAndAsManyBeforeItAsItSays() throws Exception {
        promoteAll("pqr");
        store.tidy(retention(2), Set.of());
        assertThat(whatIsLeft()).isEqualTo("rqs");
    }

    @Test
    public void theMachineImageStaysThoughItIsAnOldOne() throws Exception {
        promoteAll("pqr");
        store.setAside(origin(), "it does not come up");
        store.tidy(retention(1), Set.of());
        assertThat(whatIsLeft()).isEqualTo("qs");
    }

    @Test
    public void theRetentionLeavesWhatMachinesRunOn() throws Exception {
        promote(type, 'p');
        DiskOrigin used = origin();
        promoteAll("qr");
        store.tidy(retention(1), Set.of(used));
        assertThat(whatIsLeft()).isEqualTo("rps");
    }

    @Test
    public void howManyItMayLeaveTheRetentionLeavesTheLastOneFromWhichAMachineCameUp() throws Exception {
        promote(type, 'p');
        store.cameUp(origin());
        promoteAll("qr");
        store.tidy(retention(1), Set.of());
        // It was proven, so it stays when it is the machine image.
        assertThat(whatIsLeft()).isEqualTo("rp");
    }

    @Test
    public void whileThereIsTooLittleSpaceOnlyTheMachineImageStaysAndWhatMachinesRunOn() throws Exception {
        promote(type, 'p');
        DiskOrigin used = origin();
        store.cameUp(used);
        promoteAll("qr");
        store.tidy(new Retention(10, Optional.empty(), DataSize.parse("1000T")), Set.of(used));
        assertThat(whatIsLeft()).isEqualTo("rp");
    }

    @Test
    public void theRetentionTakesNothingWhereThereIsNothingToTake() throws Exception {
        store.tidy(retention(1), Set.of());
        assertThat(nextDisk()).isEqualTo('s');
    }

    @Test
    public void itTellsHowMuchSpaceIsFree() throws Exception {
        assertThat(store.freeSpace()).isGreaterThan(DataSize.ZERO);
    }

    private static Retention retention(int generations) {
        return new Retention(generations, Optional.empty(), DataSize.ZERO);
    }

    private void promoteAll(String letters) throws IOException, PluginException {
        for (int i = 0; i < letters.length(); i++) {
            promote(type, letters.charAt(i));
        }
    }

    /** What the next disk of the type begins with. */
    private char nextDisk() throws IOException, PluginException {
        Path disk = newDisk();
        store.createDisk(onBaseImage(UseBase.IF_NEWER), disk);
        return first(disk);
    }

    /** What the next disk of the type comes from. */
    private DiskOrigin origin() throws PluginException {
        return origin(onBaseImage(UseBase.IF_NEWER));
    }

    private DiskOrigin origin(DiskRequest request) throws PluginException {
        return store.createDisk(request, newDisk());
    }

    /** What disks begin with while one image after the other is set aside; a proven one is the last that is seen. */
    private String whatIsLeft() throws IOException, PluginException {
        StringBuilder left = new StringBuilder();
        Optional<String> next;
        do {
            left.append(nextDisk());
            next = store.setAside(origin(), "the next one, please");
        } while (next.isPresent());
        return left.toString();
    }

    @Test
    public void aMachineImageThatWasPromotedMeanwhileIsNotSetAsideForTheFaultOfTheOneBefore() throws Exception {
        promote(type, 'p');
        DiskOrigin broken = store.createDisk(onBaseImage(UseBase.IF_NEWER), newDisk());
        promote(type, 'q');
        store.setAside(broken, "it does not come up");
        Path disk = newDisk();
        assertThat(store.createDisk(onBaseImage(UseBase.IF_NEWER), disk).ownImage())
                .isTrue();
        assertThat(first(disk)).isEqualTo('q');
    }
}
