package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.spi.GuestVolumes;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.testng.annotations.Test;

public class FakeGuestVolumesTest extends GuestVolumesContract {
    @Override
    protected GuestVolumes volumes() {
        return new FakeGuestVolumes();
    }

    @Test
    public void aGuestSeesWhatWasWrittenAndCanAddFilesAndDirectories() throws Exception {
        GuestVolumes volumes = volumes();
        Path volume = Files.createTempDirectory("volumes").resolve("volume.img");
        byte[] token = "token".getBytes(StandardCharsets.UTF_8);
        volumes.write(volume, "JOBDATA", Map.of("job.sh", new byte[3]));
        assertThat(FakeGuestVolumes.label(volume)).isEqualTo("JOBDATA");
        assertThat(FakeGuestVolumes.files(volume)).containsOnlyKeys("job.sh");
        FakeGuestVolumes.put(volume, "persist", token);
        assertThat(volumes.read(volume, "PERSIST", 10)).contains(token);
        FakeGuestVolumes.putDirectory(volume, "persist");
        assertThat(volumes.read(volume, "persist", 10)).isEmpty();
        assertThat(volumes.read(volume, "job.sh", 10)).isPresent();
    }
}
