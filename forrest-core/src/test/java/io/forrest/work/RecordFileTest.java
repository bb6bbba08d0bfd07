package io.forrest.work;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.DiskOrigin;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class RecordFileTest {
    private static final Instant REQUESTED = Instant.parse("2026-01-01T00:00:00Z");
    private static final Instant STARTED = Instant.parse("2026-01-01T00:00:07.123456789Z");
    private static final Instant ENDED = Instant.parse("2026-01-01T01:00:00Z");

    private MachineId machine;
    private Path file;
    private RecordFile records;

    @BeforeMethod
    public void setUp() throws IOException {
        machine = MachineId.random(TestConfigs.typeId("build"));
        RunDirectory directory = RunDirectory.of(Files.createTempDirectory("record"), machine);
        Files.createDirectories(directory.path());
        file = directory.path().resolve("machine.json");
        records = new RecordFile(directory);
    }

    /** With something in every place. */
    private MachineType type() {
        return new MachineType(
                machine.type(),
                Optional.of(TestConfigs.typeId("base")),
                Optional.of(Path.of("/srv/debian.raw")),
                UseBase.ALWAYS,
                new MachineType.SetupTemplate(Path.of("/srv/template"), Map.of("PASSWORD", "a-parameter")),
                RunnerSource.AUTO,
                3,
                DataSize.parse("16G"),
                DataSize.parse("8G"),
                List.of(new MachineType.SharedDirectory(Path.of("/srv/cache"), "cache", true)),
                List.of(new MachineType.VdeInterface(Path.of("/run/vde"))),
                List.of(new MachineType.ArtifactStore(
                        "artifact",
                        "/srv/artifacts/<RUNNER_NAME>",
                        "https://example.com/<RUNNER_NAME>",
                        DataSize.parse("1G"),
                        Optional.of(Secret.of("an-artifact-token")))));
    }

    private MachineRecord launching() {
        return MachineRecord.launching(machine, type(), Optional.of(Secret.of("a-persistence-token")), REQUESTED);
    }

    private MachineRecord atWork() {
        return launching()
                .withRunner(
                        new DiskOrigin(Path.of("/base/build.img"), true, "acme/firmware/build@6"),
                        9_000_000_000L,
                        Secret.of("a-run-token"))
                .withMacs(List.of(MacAddress.fromRandom(1), MacAddress.fromRandom(1L << 40)))
                .started(STARTED)
                .withJob(new JobObservation(
                        new JobId(50_000_000_001L),
                        20_000_000_001L,
                        machine.type().repository(),
                        List.of("self-hosted", "forrest", "build"),
                        JobStatus.IN_PROGRESS,
                        Optional.of(machine.runnerName()),
                        Optional.of("0123456789abcdef0123456789abcdef01234567"),
                        STARTED,
                        "webhook"));
    }

    private MachineRecord read() {
        return ((RecordFile.Reading.Known) records.read()).machine();
    }

    private static MachineType withoutParameters(MachineType type) {
        return new MachineType(
                type.id(),
                type.baseMachine(),
                type.baseImage(),
                type.useBase(),
                new MachineType.SetupTemplate(type.setupTemplate().path(), Map.of()),
                type.runner(),
                type.cpus(),
                type.disk(),
                type.ram(),
                type.shared(),
                type.networkInterfaces(),
                type.artifacts());
    }

    @Test
    public void aRecordIsReadAsItWasWrittenButForTheTemplatesParameters() throws Exception {
        for (MachineRecord record : List.of(
                launching(),
                atWork(),
                atWork().promoting(ENDED),
                atWork().over(new MachineOutcome(MachineOutcome.Disk.DISCARDED, "because"), ENDED))) {
            records.write(record);
            assertThat(read()).usingRecursiveComparison().ignoringFields("type").isEqualTo(record);
            assertThat(read().type()).isEqualTo(withoutParameters(record.type()));
            records.writeDurably(record);
            assertThat(read().stage()).isEqualTo(record.stage());
        }
        assertThat(file.getParent()).isDirectoryNotContaining("glob:**.next");
    }

    @Test
    public void onlyItsOwnerMayReadItAndWhatIsOverHasNoTokensOfItsOwn() throws Exception {
        records.write(atWork());
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThat(file)
                .content()
                .contains("a-run-token", "a-persistence-token")
                .doesNotContain("a-parameter");
        records.write(atWork().over(new MachineOutcome(MachineOutcome.Disk.DISCARDED, "because"), ENDED));
        assertThat(file).content().doesNotContain("a-run-token", "a-persistence-token", "an-artifact-token");
    }

    @DataProvider
    public Object[][] damage() throws IOException {
        return new Object[][] {
            {"", "torn"},
            {"\0\0\0\0", ""},
            {"[1, 2]", "torn"},
            {"{\"format\": 2, \"runner\": \"x\"}", "format 2"},
            {"{\"format\": 1}", "runner"},
            {"{\"format\": 1, \"runner\": \"forrest-build-0123456789abcdef\"}", "forrest-build-0123456789abcdef"}
        };
    }

    @Test(dataProvider = "damage")
    public void aFileThatCannotBeUsedIsNamedWithTheReason(String content, String reason) throws Exception {
        Files.writeString(file, content);
        assertThat(records.read()).isInstanceOfSatisfying(RecordFile.Reading.Unreadable.class, unreadable -> assertThat(
                        unreadable.reason())
                .contains(file.toString(), reason)
                .doesNotContain("\n"));
        records.setAside();
        assertThat(records.read()).isInstanceOf(RecordFile.Reading.Absent.class);
        assertThat(file.resolveSibling("machine.json.unreadable")).hasContent(content);
    }

    @Test
    public void aFileThatIsTornAnywhereIsEitherReadAsItWasOrRefused() throws Exception {
        records.write(atWork());
        byte[] whole = Files.readAllBytes(file);
        for (int length = 0; length < whole.length; length++) {
            Files.write(file, Arrays.copyOf(whole, length));
            assertThat(records.read()).as("%d bytes", length).isInstanceOf(RecordFile.Reading.Unreadable.class);
        }
    }

    @Test
    public void fieldsOfALaterForrestArePassedOver() throws Exception {
        records.write(atWork());
        Files.writeString(file, Files.readString(file).replaceFirst("\\{", "{\"new_in_1_1\": {\"a\": [1]},"));
        assertThat(read().runnerId()).hasValue(9_000_000_000L);
    }

    @Test
    public void aRecordOfAnEarlierForrestThatSaysNothingOfTheRunnerIsOneWhoseTemplateSeesToIt() throws Exception {
        records.write(atWork());
        Files.writeString(file, Files.readString(file).replaceFirst("\"runner\" : \"AUTO\",", ""));
        assertThat(read().type().runner()).isEqualTo(RunnerSource.TEMPLATE);
    }

    @Test
    public void whereNothingWasWrittenThereIsNothing() {
        assertThat(records.read()).isInstanceOf(RecordFile.Reading.Absent.class);
    }
}
