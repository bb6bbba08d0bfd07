package io.forrest.artifacts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forrest.artifacts.ArtifactException.Kind;
import io.forrest.domain.Secret;
import io.forrest.testing.FakeUploader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class ArtifactsTest {
    private static final String OLD = "the good old one";

    private Path directory;
    private FakeUploader machine;
    private Artifacts artifacts;

    @BeforeMethod
    public void setUp() throws IOException {
        directory = Files.createTempDirectory("artifacts");
        machine = new FakeUploader(directory);
        artifacts = machine.artifacts();
    }

    @AfterMethod(alwaysRun = true)
    public void tearDown() {
        artifacts.close();
    }

    private ArtifactRequest request(String store, long length, String... steps) throws ArtifactException {
        return new ArtifactRequest(
                Secret.of(machine.runToken()),
                Optional.of(Secret.of(FakeUploader.EXTRA_TOKEN)),
                store,
                ArtifactPath.of(List.of(steps)),
                length >= 0 ? OptionalLong.of(length) : OptionalLong.empty());
    }

    private ArtifactUpload begin(String... steps) throws ArtifactException {
        return artifacts.begin(request("artifact", -1, steps));
    }

    private static ByteBuffer bytes(long count) {
        return ByteBuffer.allocate(Math.toIntExact(count));
    }

    private void upload(String content, String... steps) throws ArtifactException {
        try (ArtifactUpload upload = begin(steps)) {
            upload.write(ByteBuffer.wrap(content.getBytes(StandardCharsets.UTF_8)));
            upload.complete();
        }
    }

    private void uploadBytes(long count, String name) throws ArtifactException {
        try (ArtifactUpload upload = begin(name)) {
            upload.write(bytes(count));
            upload.complete();
        }
    }

    private static Kind refusal(Callable<?> what) {
        return catchThrowableOfType(ArtifactException.class, what::call).kind();
    }

    @Test
    public void anArtifactIsThereWholeOrNotAtAll() throws Exception {
        try (ArtifactUpload upload = begin("deep", "down", "a.bin")) {
            upload.write(ByteBuffer.wrap(new byte[] {1, 2}));
            assertThat(machine.own().resolve("deep/down/a.bin")).doesNotExist();
            upload.write(ByteBuffer.wrap(new byte[] {3}));
            assertThat(upload.storeUrl()).isEqualTo("https://a.example/" + machine.machine() + "/");
            upload.complete();
        }
        assertThat(machine.own().resolve("deep/down/a.bin")).hasBinaryContent(new byte[] {1, 2, 3});
        assertThat(machine.files()).containsExactly("own/deep/down/a.bin");
    }

    @Test
    public void anEmptyArtifactIsOneToo() throws Exception {
        upload("", "empty");
        assertThat(machine.own().resolve("empty")).isEmptyFile();
    }

    @Test
    public void anUploadThatIsBrokenOffLeavesNothingAndTheEarlierArtifactAsItWas() throws Exception {
        upload(OLD, "a.bin");
        try (ArtifactUpload upload = begin("a.bin")) {
            upload.write(bytes(10));
        }
        try (ArtifactUpload upload = artifacts.begin(request("artifact", 10, "a.bin"))) {
            upload.write(bytes(9));
            assertThatThrownBy(upload::complete).hasMessageContainingAll("10 bytes", "9");
        }
        assertThat(machine.own().resolve("a.bin")).hasContent(OLD);
        assertThat(machine.files()).containsExactly("own/a.bin");
    }

    @Test
    public void anArtifactReplacesTheEarlierOneOfItsName() throws Exception {
        upload(OLD, "a.bin");
        upload("the new one", "a.bin");
        assertThat(machine.own().resolve("a.bin")).hasContent("the new one");
    }

    @Test
    public void onlyWhoHasTheTokensMayUpload() throws Exception {
        ArtifactPath path = ArtifactPath.of(List.of("a"));
        for (String token : List.of(
                "", "wrong", machine.runToken() + "x", machine.runToken().substring(1))) {
            assertThat(refusal(() -> artifacts.begin(new ArtifactRequest(
                            Secret.of(token), Optional.empty(), "artifact", path, OptionalLong.empty()))))
                    .isEqualTo(Kind.UNKNOWN);
        }
        Secret run = Secret.of(machine.runToken());
        for (Optional<Secret> extra : List.of(Optional.<Secret>empty(), Optional.of(Secret.of("wrong")))) {
            assertThat(refusal(() ->
                            artifacts.begin(new ArtifactRequest(run, extra, "releases", path, OptionalLong.empty()))))
                    .isEqualTo(Kind.UNKNOWN);
        }
        assertThat(refusal(() -> artifacts.begin(request("nowhere", -1, "a")))).isEqualTo(Kind.UNKNOWN);
        try (ArtifactUpload upload = artifacts.begin(request("releases", -1, "a"))) {
            upload.complete();
        }
        assertThat(machine.files()).containsExactly("releases/a");
    }

    @DataProvider
    public Object[][] wrongPaths() {
        return new Object[][] {
            {List.of()},
            {List.of("")},
            {List.of(".")},
            {List.of("..")},
            {List.of("a", "..", "b")},
            {List.of("a", "")},
            {List.of("a/b")},
            {List.of("/etc/passwd")},
            {List.of("a\0b")},
            {List.of("a\nb")},
            {List.of("x".repeat(256))},
            {Collections.nCopies(65, "a")},
            {List.of(".forrest-upload-0123456789abcdef")},
        };
    }

    @Test(dataProvider = "wrongPaths")
    public void aPathThatCouldLeadElsewhereOrIsNoneIsRefused(List<String> steps) {
        assertThat(refusal(() -> ArtifactPath.of(steps))).isEqualTo(Kind.BAD_PATH);
    }

    @Test
    public void noLinkLeadsAnUploadOutOfItsStore() throws Exception {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.writeString(outside.resolve("file"), OLD);
        Files.createDirectories(machine.own().resolve("sub"));
        Files.createSymbolicLink(machine.own().resolve("link"), outside);
        Files.createSymbolicLink(machine.own().resolve("sub/link"), outside);
        Files.createSymbolicLink(machine.own().resolve("dangling"), directory.resolve("nothing"));
        Files.createSymbolicLink(machine.own().resolve("file"), outside.resolve("file"));
        for (String[] steps :
                new String[][] {{"link", "a"}, {"sub", "link", "b", "a"}, {"dangling", "a"}, {"file", "a"}}) {
            assertThat(refusal(() -> begin(steps))).isEqualTo(Kind.FAILED);
        }
        // A link in the artifact's own place is replaced, and not what it leads to.
        upload("new", "file");
        assertThat(machine.own().resolve("file")).isRegularFile().hasContent("new");
        assertThat(outside.resolve("file")).hasContent(OLD);
        assertThat(outside).isDirectoryNotContaining("glob:**/[ab]");
        assertThat(directory.resolve("nothing")).doesNotExist();
    }

    @Test
    public void aLinkInPlaceOfTheMachinesOwnDirectoryIsNotFollowed() throws Exception {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.createDirectories(machine.own().getParent());
        Files.createSymbolicLink(machine.own(), outside);
        assertThat(refusal(() -> begin("a"))).isEqualTo(Kind.FAILED);
        assertThat(outside).isEmptyDirectory();
    }

    @Test
    public void aDirectoryThatIsReplacedByALinkDuringAnUploadDoesNotMisleadIt() throws Exception {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        try (ArtifactUpload upload = begin("sub", "a")) {
            Files.move(machine.own().resolve("sub"), machine.own().resolve("moved"));
            Files.createSymbolicLink(machine.own().resolve("sub"), outside);
            upload.write(bytes(1));
            upload.complete();
        }
        assertThat(outside).isEmptyDirectory();
        assertThat(machine.own().resolve("moved/a")).exists();
    }

    @Test
    public void whatIsInTheWayIsSaidWithoutTellingWhereThingsAre() throws Exception {
        upload("", "file");
        upload("", "directory", "file");
        assertThatThrownBy(() -> begin("file", "below"))
                .hasMessageContaining("no directory")
                .hasMessageNotContaining(directory.toString());
        assertThatThrownBy(() -> begin("directory")).hasMessageContaining("directory of this name");
    }

    @Test
    public void theQuotaCanBeFilledToTheLastByteAndNotFurther() throws Exception {
        uploadBytes(FakeUploader.QUOTA - 10, "most");
        assertThat(refusal(() -> artifacts.begin(request("artifact", 11, "announced"))))
                .isEqualTo(Kind.QUOTA);
        try (ArtifactUpload upload = begin("unannounced")) {
            upload.write(bytes(10));
            assertThat(refusal(() -> {
                        upload.write(bytes(1));
                        return null;
                    }))
                    .isEqualTo(Kind.QUOTA);
        }
        // What failed has given its share back.
        uploadBytes(10, "rest");
        assertThat(refusal(() -> artifacts.begin(request("artifact", 1, "more"))))
                .isEqualTo(Kind.QUOTA);
    }

    @Test
    public void uploadsAtTheSameTimeDoNotExceedTheQuotaTogether() throws Exception {
        int share = 1 << 16;
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try {
            AtomicInteger number = new AtomicInteger();
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                all.add(pool.submit(() -> {
                    try (ArtifactUpload upload = begin("a" + number.incrementAndGet())) {
                        for (int piece = 0; piece < 16; piece++) {
                            upload.write(bytes(share / 16));
                        }
                        upload.complete();
                        return true;
                    } catch (ArtifactException e) {
                        assertThat(e.kind()).isEqualTo(Kind.QUOTA);
                        return false;
                    }
                }));
            }
            int stored = 0;
            for (Future<Boolean> one : all) {
                stored += one.get(30, TimeUnit.SECONDS) ? 1 : 0;
            }
            assertThat(stored).isPositive().isLessThanOrEqualTo((int) (FakeUploader.QUOTA / share));
            assertThat(machine.files()).hasSize(stored);
            uploadBytes(FakeUploader.QUOTA - (long) stored * share, "rest");
            assertThat(refusal(() -> artifacts.begin(request("artifact", 1, "more"))))
                    .isEqualTo(Kind.QUOTA);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    public void whatReplacesAnArtifactCountsInFull() throws Exception {
        uploadBytes(FakeUploader.QUOTA / 2, "a");
        uploadBytes(FakeUploader.QUOTA / 2, "a");
        assertThat(refusal(() -> artifacts.begin(request("artifact", 1, "a")))).isEqualTo(Kind.QUOTA);
        // Each store has its own.
        try (ArtifactUpload upload = artifacts.begin(request("releases", 1, "a"))) {
            upload.write(bytes(1));
            upload.complete();
        }
    }

    @Test
    public void theQuotaCountsOverTheEndOfTheProcess() throws Exception {
        uploadBytes(FakeUploader.QUOTA - 10, "most");
        machine.nextProcess();
        assertThat(refusal(() -> artifacts.begin(request("artifact", 11, "announced"))))
                .isEqualTo(Kind.QUOTA);
        uploadBytes(10, "rest");
    }

    /** Nothing is closed; the next process finds what this one has left. */
    @Test
    public void whatAKilledProcessLeftHalfIsRemovedAndGivesItsShareBack() throws Exception {
        upload(OLD, "sub", "a");
        ArtifactUpload killed = begin("sub", "a");
        killed.write(bytes(FakeUploader.QUOTA / 2));
        assertThat(machine.files()).hasSize(2);
        machine.nextProcess();
        assertThat(machine.files()).containsExactly("own/sub/a");
        assertThat(machine.own().resolve("sub/a")).hasContent(OLD);
        uploadBytes(FakeUploader.QUOTA - OLD.length(), "rest");
    }

    /** Whatever of the ledger a killed process had written down last. */
    @Test
    public void anArtifactThatHasItsNameCountsWhenItsProcessIsKilledAtOnce() throws Exception {
        ArtifactUpload upload = begin("a");
        upload.write(bytes(FakeUploader.QUOTA));
        String whileItIsHalf = Files.readString(ledger());
        upload.complete();
        String afterwards = Files.readString(ledger());
        assertThat(afterwards).isNotEqualTo(whileItIsHalf);
        // As it was between the rename and the last word on it.
        String completing = whileItIsHalf.replace("\"below\"", "\"bytes\":" + FakeUploader.QUOTA + ",\"below\"");
        for (String left : List.of(completing, afterwards)) {
            Files.writeString(ledger(), left);
            machine.nextProcess();
            assertThat(refusal(() -> artifacts.begin(request("artifact", 1, "b"))))
                    .as(left)
                    .isEqualTo(Kind.QUOTA);
            assertThat(machine.files()).containsExactly("own/a");
        }
    }

    private Path ledger() {
        return directory.resolve("run/" + machine.machine() + "/artifacts.json");
    }

    @Test
    public void aLedgerThatCannotBeReadLetsNothingMoreIn() throws Exception {
        upload("", "a");
        Files.writeString(ledger(), "{\"format\": 2}");
        assertThatThrownBy(machine::nextProcess).hasMessageContainingAll(ledger().toString(), "format 2");
        assertThat(refusal(() -> begin("b"))).isEqualTo(Kind.FAILED);
        assertThat(Files.readString(ledger())).isEqualTo("{\"format\": 2}");
    }

    @Test
    public void aMachineHasSoManyUploadsAtTheSameTimeAndNotMore() throws Exception {
        List<ArtifactUpload> open = new ArrayList<>();
        for (int i = 0; i < UploadLedger.MOST_AT_ONCE; i++) {
            open.add(begin("a" + i));
        }
        assertThat(refusal(() -> begin("more"))).isEqualTo(Kind.BUSY);
        open.get(0).close();
        begin("one more").close();
        artifacts.close();
        assertThat(machine.files()).isEmpty();
        assertThat(refusal(() -> begin("late"))).isEqualTo(Kind.BUSY);
    }

    @Test
    public void aMachineThatHasEndedUploadsNoMoreNotEvenWhatItHadBegun() throws Exception {
        AtomicBoolean lives = new AtomicBoolean(true);
        machine.lives(lives::get);
        try (ArtifactUpload upload = begin("a")) {
            upload.write(bytes(1));
            lives.set(false);
            assertThatThrownBy(upload::complete).hasMessageContaining("has ended");
        }
        assertThat(refusal(() -> begin("b"))).isEqualTo(Kind.UNKNOWN);
        assertThat(machine.files()).isEmpty();
    }
}
