package io.forrest.images;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.GuestVolumes;
import io.forrest.testing.GuestVolumesContract;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.testng.annotations.Test;

public class FatVolumesTest extends GuestVolumesContract {
    private static final Map<String, byte[]> FILES = Map.of(
            "user-data", new byte[5000], "job.sh", new byte[0], "a long name of a unit.service", new byte[70_000]);

    @Override
    protected GuestVolumes volumes() {
        return new FatVolumes();
    }

    private static Path write() throws Exception {
        Path volume = Files.createTempDirectory("fat").resolve("volume.img");
        new FatVolumes().write(volume, "JOBDATA", FILES);
        return volume;
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    @Test
    public void nobodyElseOnTheHostCanReadTheSecretsOnAVolume() throws Exception {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(write())))
                .isEqualTo("rw-------");
    }

    @Test(groups = "loop")
    public void fsckFindsNothingToComplainOf() throws Exception {
        String fsck = HostNeeds.program("fsck.fat").toString();
        assertThat(run(fsck, "-n", "-v", write().toString()))
                .containsPattern("[34] files, ")
                .doesNotContain("ifference");
    }

    @Test(groups = "loop")
    public void mtoolsReadWhatIsWrittenAndWhatTheyWriteIsRead() throws Exception {
        String mcopy = HostNeeds.program("mcopy").toString();
        String mmd = HostNeeds.program("mmd").toString();
        Path volume = write();
        assertThat(run("blkid", "-p", volume.toString())).contains("LABEL=\"JOBDATA\"", "TYPE=\"vfat\"");
        Path out = Files.createTempDirectory("fat");
        run(mcopy, "-i", volume.toString(), "::*", out.toString());
        for (Map.Entry<String, byte[]> file : FILES.entrySet()) {
            assertThat(out.resolve(file.getKey())).hasBinaryContent(file.getValue());
        }

        Path in = Files.createTempDirectory("fat");
        Files.writeString(in.resolve("persist"), "token\n");
        Files.writeString(in.resolve("Persist with a long name"), "long");
        Files.write(in.resolve("big"), new byte[800_000]);
        for (String name : List.of("persist", "Persist with a long name", "big")) {
            run(mcopy, "-i", volume.toString(), in.resolve(name).toString(), "::" + name);
        }
        run(mmd, "-i", volume.toString(), "::directory");
        FatVolumes volumes = new FatVolumes();
        assertThat(volumes.read(volume, "persist", 100)).contains("token\n".getBytes(StandardCharsets.UTF_8));
        assertThat(volumes.read(volume, "persist with a LONG name", 100))
                .contains("long".getBytes(StandardCharsets.UTF_8));
        assertThat(volumes.read(volume, "directory", 100)).isEmpty();
        assertThat(volumes.read(volume, "big", 100)).isEmpty();
        assertThat(volumes.read(volume, "big", 800_000)).contains(new byte[800_000]);
    }
}
