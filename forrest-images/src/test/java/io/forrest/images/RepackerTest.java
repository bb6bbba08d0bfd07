package io.forrest.images;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.UseBase;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import io.forrest.testing.LoopFileSystem;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

@Test(groups = "loop")
public class RepackerTest {
    private static final int BLOCK = 4096;
    private static final MachineTypeId TYPE = TestConfigs.typeId("build");
    private static final Instant ENDED = Instant.parse("2026-01-01T00:00:00Z");
    private static final FileTime MODIFIED = FileTime.from(Instant.parse("2026-01-02T03:04:05.678901234Z"));

    @DataProvider
    public Object[][] fileSystemsThatClone() {
        return new Object[][] {{"xfs"}, {"btrfs"}};
    }

    /** Writes every other block, from the end to the beginning: each is an extent of its own. */
    static Path scattered(Path file, int extents) throws IOException {
        byte[] content = new byte[BLOCK];
        Random random = new Random(extents);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (int i = extents - 1; i >= 0; i--) {
                random.nextBytes(content);
                channel.write(ByteBuffer.wrap(content), 2L * i * BLOCK);
            }
            channel.force(true);
        }
        return file;
    }

    @Test(dataProvider = "fileSystemsThatClone")
    public void anImageInThousandsOfExtentsHasFewAfterwardsAndIsTheSame(String type) throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount(type)) {
            Path image = scattered(fileSystem.directory().resolve("image"), 3000);
            attributes(image).write("forrest.test", StandardCharsets.UTF_8.encode("kept"));
            Files.setLastModifiedTime(image, MODIFIED);
            Path copy = fileSystem.directory().resolve("copy");
            assertThat(Repacker.extents(image)).isGreaterThan(2500);

            Repacker.repack(image, copy);

            assertThat(Repacker.extents(copy)).isLessThan(20);
            assertThat(Files.mismatch(image, copy)).isEqualTo(-1);
            assertThat(Files.getLastModifiedTime(copy)).isEqualTo(MODIFIED);
            assertThat(Files.getPosixFilePermissions(copy)).isEqualTo(Files.getPosixFilePermissions(image));
            ByteBuffer value = ByteBuffer.allocate(attributes(copy).size("forrest.test"));
            attributes(copy).read("forrest.test", value);
            assertThat(value.array()).asString(StandardCharsets.UTF_8).isEqualTo("kept");
        }
    }

    private static UserDefinedFileAttributeView attributes(Path file) {
        return Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
    }

    @Test(dataProvider = "fileSystemsThatClone")
    public void largeHolesStayHoles(String type) throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount(type)) {
            Path image = scattered(fileSystem.directory().resolve("image"), 2000);
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                // Larger than the file system.
                file.setLength(100L << 30);
                file.seek((50L << 30) + 12345);
                file.write(1);
            }
            Path copy = fileSystem.directory().resolve("copy");
            assertThat(SparseCopier.spaceOfCopy(image)).isEqualTo(17L << 20);
            Repacker.repack(image, copy);
            assertThat(Files.size(copy)).isEqualTo(100L << 30);
            assertThat(SparseCopier.same(image, copy)).isTrue();
            assertThat(SparseCopier.spaceOfCopy(copy)).isEqualTo(17L << 20);
        }
    }

    @Test
    public void aDifferenceIsSeenWhereverItIs() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            Path image = scattered(fileSystem.directory().resolve("image"), 2000);
            Path copy = fileSystem.directory().resolve("copy");
            SparseCopier.copy(image, copy, at -> {});
            assertThat(SparseCopier.same(image, copy)).isTrue();
            try (RandomAccessFile file = new RandomAccessFile(copy.toFile(), "rw")) {
                file.setLength(file.length() + 1);
                assertThat(SparseCopier.same(image, copy)).isFalse();
                file.setLength(file.length() - 1);
                // In a hole of the image, in its last block.
                file.seek(BLOCK + 17);
                file.write(1);
                assertThat(SparseCopier.same(image, copy)).isFalse();
                file.seek(BLOCK + 17);
                file.write(0);
                assertThat(SparseCopier.same(image, copy)).isTrue();
                file.seek(file.length() - 1);
                int last = file.read();
                file.seek(file.length() - 1);
                file.write(last + 1);
                assertThat(SparseCopier.same(image, copy)).isFalse();
            }
        }
    }

    private static Path promoted(LoopFileSystem fileSystem, Path disk) throws Exception {
        ReflinkImageStore store = new ReflinkImageStore(fileSystem.directory());
        store.promote(TYPE, disk, new Provenance(MachineId.random(TYPE), Optional.empty(), Optional.empty(), ENDED));
        return fileSystem.directory().resolve("machines/acme/firmware/build.img");
    }

    private static void tidy(LoopFileSystem fileSystem, long toleratedExtents, DataSize freeSpace) throws Exception {
        new StoreTidying(
                        new StoreFiles(fileSystem.directory(), Clock.systemUTC()),
                        new Retention(3, Optional.empty(), freeSpace),
                        Set.of(),
                        new Repacker(toleratedExtents))
                .run();
    }

    private static void assertNothingIsLeft(LoopFileSystem fileSystem) throws IOException {
        try (Stream<Path> files = Files.walk(fileSystem.directory())) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .noneMatch(name -> name.startsWith(".unfinished"));
        }
    }

    @Test(dataProvider = "fileSystemsThatClone")
    public void aFragmentedMachineImageIsRepackedWhileMachinesCloneIt(String type) throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount(type)) {
            Path directory = fileSystem.directory();
            Path original = scattered(directory.resolve("original"), 3000);
            Path disk = directory.resolve("disk");
            new FileCloner().clone(original, disk);
            Path image = promoted(fileSystem, disk);
            Path generation = directory.resolve("machines/acme/firmware/build.generations/1.img");
            FileTime modified = Files.getLastModifiedTime(image);
            FileTime generationModified = Files.getLastModifiedTime(generation);
            Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(generation);
            DiskRequest request = new DiskRequest(
                    TYPE, Optional.empty(), Optional.empty(), UseBase.NEVER, new DataSize(Files.size(original)));

            AtomicBoolean done = new AtomicBoolean();
            CompletableFuture<Integer> cloning = CompletableFuture.supplyAsync(() -> {
                int clones = 0;
                ReflinkImageStore store = new ReflinkImageStore(directory);
                Path clone = directory.resolve("clone");
                Path plain = directory.resolve("plain");
                try {
                    while (!done.get()) {
                        assertThat(store.createDisk(request, clone).version()).isEqualTo("acme/firmware/build@1");
                        // As people do, and programs that know of no generations.
                        new FileCloner().clone(image, plain);
                        assertThat(Files.mismatch(original, clone)).isEqualTo(-1);
                        assertThat(Files.mismatch(original, plain)).isEqualTo(-1);
                        Files.delete(clone);
                        Files.delete(plain);
                        clones++;
                    }
                    return clones;
                } catch (IOException | PluginException e) {
                    throw new AssertionError(e);
                }
            });
            try {
                tidy(fileSystem, 1000, DataSize.ZERO);
            } finally {
                done.set(true);
            }
            assertThat(cloning.get(60, TimeUnit.SECONDS)).isPositive();

            assertThat(Repacker.extents(generation)).isLessThan(20);
            assertThat(Repacker.extents(image)).isLessThan(20);
            assertThat(Files.mismatch(original, generation)).isEqualTo(-1);
            assertThat(Files.mismatch(original, image)).isEqualTo(-1);
            assertThat(Files.getLastModifiedTime(image)).isEqualTo(modified);
            assertThat(Files.getLastModifiedTime(generation)).isEqualTo(generationModified);
            assertThat(Files.getPosixFilePermissions(generation)).isEqualTo(permissions);
            ImageCatalog catalog = new ImageCatalog(directory, Clock.systemUTC());
            assertThat(catalog.history(TYPE)).singleElement().matches(Generation::current);
            assertNothingIsLeft(fileSystem);
        }
    }

    @Test
    public void anImageThatCannotBeInFewerExtentsIsCopiedOnceOnly() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            // One of two of the copier's blocks has data.
            Path disk = fileSystem.directory().resolve("disk");
            try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
                file.setLength(100L << 20);
                for (int i = 0; i < 50; i++) {
                    file.seek(2L * i * SparseCopier.BLOCK_BYTES);
                    file.write(1);
                }
            }
            promoted(fileSystem, disk);
            TypeImages images = new StoreFiles(fileSystem.directory(), Clock.systemUTC()).of(TYPE);
            assertThat(images.fragments(new Repacker(10))).hasValue(50);
            tidy(fileSystem, 10, DataSize.ZERO);
            assertThat(images.fragments(new Repacker(10))).isEmpty();
            assertNothingIsLeft(fileSystem);
        }
    }

    @Test
    public void whatKilledOnesLeftIsRemovedEvenWhereThereIsNoImage() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            Path place = Files.createDirectories(fileSystem.directory().resolve("machines/acme/firmware"));
            Files.createFile(place.resolve(".unfinished-0123.lock"));
            Files.createFile(place.resolve(".unfinished-0123.img"));
            tidy(fileSystem, 1000, DataSize.ZERO);
            assertThat(place).isEmptyDirectory();
        }
    }

    @Test
    public void anImageIsLeftAsItIsWhereACopyWouldTakeTheSpaceThatIsToBeFree() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            Path image = promoted(fileSystem, scattered(fileSystem.directory().resolve("disk"), 2000));
            tidy(fileSystem, 1000, new DataSize(Files.getFileStore(image).getUsableSpace() - SparseCopier.BLOCK_BYTES));
            assertThat(Repacker.extents(image)).isGreaterThan(1500);
        }
    }

    @Test
    public void anImageThatIsReplacedWhileItIsRepackedIsForgotten() throws Exception {
        try (LoopFileSystem fileSystem = LoopFileSystem.mount("xfs")) {
            Path directory = fileSystem.directory();
            promoted(fileSystem, scattered(directory.resolve("disk"), 2000));
            Path next = directory.resolve("next");
            Files.write(next, new byte[] {1});
            TypeImages images = new StoreFiles(directory, Clock.systemUTC()).of(TYPE);
            // The re-packing stands before the lock that the promotion takes first.
            CompletableFuture<Optional<String>> repacked =
                    TypeLock.holding(directory.resolve("machines/acme/firmware/build.generations/lock"), () -> {
                        CompletableFuture<Optional<String>> running = CompletableFuture.supplyAsync(() -> {
                            try {
                                return images.repack();
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        });
                        awaitCopy(directory.resolve("machines/acme/firmware"));
                        Files.move(next, directory.resolve("machines/acme/firmware/build.img"), REPLACE_EXISTING);
                        return running;
                    });
            assertThat(repacked.get(60, TimeUnit.SECONDS)).isEmpty();
            Path image = directory.resolve("machines/acme/firmware/build.img");
            assertThat(image).hasBinaryContent(new byte[] {1});
            assertNothingIsLeft(fileSystem);
        }
    }

    private static void awaitCopy(Path directory) throws IOException {
        long deadlineNanos = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        boolean complete = false;
        while (!complete) {
            assertThat(System.nanoTime()).isLessThan(deadlineNanos);
            try (Stream<Path> files = Files.list(directory)) {
                complete = files.anyMatch(file -> file.getFileName().toString().matches("[.]unfinished-.*[.]img"));
            }
        }
    }
}
