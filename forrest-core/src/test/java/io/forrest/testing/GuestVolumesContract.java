package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.spi.GuestVolumes;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What all {@link GuestVolumes} do. */
public abstract class GuestVolumesContract {
    private GuestVolumes volumes;
    private Path volume;

    protected abstract GuestVolumes volumes();

    @BeforeMethod
    public void makeVolumes() throws IOException {
        volumes = volumes();
        volume = Files.createTempDirectory("volumes").resolve("volume.img");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    public void whatIsWrittenCanBeReadByNameWhateverItsCase() throws Exception {
        Map<String, byte[]> files = new HashMap<>();
        files.put("meta-data", new byte[0]);
        files.put("user-data", bytes("#cloud-config\n"));
        files.put("a rather long name, of a file.service", new byte[100_000]);
        volumes.write(volume, "CIDATA", files);
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            assertThat(volumes.read(volume, file.getKey(), 100_000)).contains(file.getValue());
        }
        assertThat(volumes.read(volume, "USER-DATA", 100)).contains(bytes("#cloud-config\n"));
    }

    @Test
    public void aFileThatIsNotThereOrTooLongIsNone() throws Exception {
        volumes.write(volume, "JOBDATA", Map.of("persist", new byte[11]));
        assertThat(volumes.read(volume, "persis", 10)).isEmpty();
        assertThat(volumes.read(volume, "persist", 10)).isEmpty();
        assertThat(volumes.read(volume, "persist", 11)).isPresent();
    }

    @Test
    public void whatDoesNotFitIsRefusedAndLeavesNothingBehind() {
        assertRejected("JOBDATA", Map.of("big", new byte[2 << 20]));
        assertRejected("JOBDATA", Map.of("a/b", new byte[1]));
        assertRejected("a label that is too long", Map.of());
    }

    private void assertRejected(String label, Map<String, byte[]> files) {
        assertThatThrownBy(() -> volumes.write(volume, label, files))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED));
        assertThat(volume).doesNotExist();
    }

    @Test
    public void aVolumeFullOfNoiseHasNoFilesAndHarmsNobody() throws Exception {
        Random noise = new Random(7);
        for (int length : new int[] {0, 1, 511, 512, 4096, 1 << 20}) {
            byte[] bytes = new byte[length];
            noise.nextBytes(bytes);
            Files.write(volume, bytes);
            assertThat(volumes.read(volume, "persist", 4096)).isEmpty();
        }
    }

    @Test
    public void damageAnywhereIsSurvived() throws Exception {
        volumes.write(volume, "JOBDATA", Map.of("persist", bytes("token"), "job.sh", new byte[20_000]));
        byte[] sound = Files.readAllBytes(volume);
        Random noise = new Random(11);
        for (int round = 0; round < 300; round++) {
            byte[] damaged = sound.clone();
            // Most of the structure is at the front.
            for (int i = 0; i < 40; i++) {
                damaged[noise.nextInt(i % 2 == 0 ? 64 : Math.min(damaged.length, 20_000))] = (byte) noise.nextInt();
            }
            Files.write(volume, damaged);
            assertThat(volumes.read(volume, "persist", 4096).map(found -> found.length))
                    .satisfiesAnyOf(found -> assertThat(found).isEmpty(), found -> assertThat(found.get())
                            .isLessThanOrEqualTo(4096));
        }
    }

    @Test
    public void aVolumeThatIsNotThereIsTheHostsFault() {
        assertThatThrownBy(() -> volumes.read(volume, "persist", 10))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN));
    }
}
