package io.forrest.launcher.image;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.launcher.Eventually;
import io.forrest.launcher.Main;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

@Test(groups = "tpm")
public class AddTpmTest {
    private Path directory;
    private Path config;
    private String out;
    private String err;

    @BeforeMethod
    public void prepare() throws IOException {
        HostNeeds.program("swtpm");
        HostNeeds.program("swtpm_setup");
        directory = Files.createTempDirectory("tpm");
        config = directory.resolve("config.yaml");
        Files.writeString(
                config,
                """
                host: {base_dir: %1$s/base, ram: 1G}
                github: {app_id: 1, jwt_key_file: key.pem, webhook_secret: hush}
                repositories:
                  acme:
                    firmware:
                      machines:
                        build: {base_image: %1$s/i.raw, setup_template: {path: %1$s}, cpus: 1, ram: 128M, disk: 1G}
                """
                        .formatted(directory));
    }

    private int addTpm(String type) {
        StringWriter outWriter = new StringWriter();
        StringWriter errWriter = new StringWriter();
        int code = Main.commandLine()
                .setOut(new PrintWriter(outWriter, true))
                .setErr(new PrintWriter(errWriter, true))
                .execute("image", "add-tpm", type, "--config", config.toString());
        out = outWriter.toString();
        err = errWriter.toString();
        return code;
    }

    private List<Path> files() throws IOException {
        Path machines = directory.resolve("base/machines");
        if (!Files.exists(machines)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(machines)) {
            return files.filter(file -> !Files.isDirectory(file)
                            || file.getFileName().toString().startsWith("."))
                    .toList();
        }
    }

    @Test
    public void theStateIsWhereMachinesLookForItAndSwtpmTakesIt() throws Exception {
        assertThat(addTpm("ACME/firmware/build")).as(err).isZero();
        Path state = directory.resolve("base/machines/acme/firmware/build.swtpm");
        assertThat(out).contains(state.toString());
        assertThat(files()).containsExactly(state);
        byte[] made = Files.readAllBytes(state);
        Path control = directory.resolve("control");
        Process swtpm = new ProcessBuilder(
                        "swtpm",
                        "socket",
                        "--tpm2",
                        "--tpmstate",
                        "backend-uri=file://" + state,
                        "--ctrl",
                        "type=unixio,path=" + control,
                        "--flags",
                        "not-need-init,startup-clear")
                .inheritIO()
                .start();
        try {
            // It listens once it has taken the state.
            Eventually.holds("swtpm is up", Duration.ofSeconds(30), () -> Files.exists(control));
            assertThat(swtpm.isAlive()).isTrue();
        } finally {
            swtpm.destroy();
            swtpm.waitFor();
        }
        assertThat(Files.size(state)).isEqualTo(made.length);
    }

    @Test
    public void aStateThatIsThereIsNeverReplaced() throws Exception {
        Path state = directory.resolve("base/machines/acme/firmware/build.swtpm");
        Files.createDirectories(state.getParent());
        Files.writeString(state, "sealed");
        assertThat(addTpm("acme/firmware/build")).isEqualTo(1);
        assertThat(err).contains(state + " is there already");
        assertThat(state).hasContent("sealed");
        assertThat(files()).containsExactly(state);
    }

    @Test
    public void aTypeThatIsNotConfiguredIsRefusedWithWhatWasMeant() throws Exception {
        assertThat(addTpm("acme/firmware/biuld")).isEqualTo(1);
        assertThat(err).contains("Did you mean acme/firmware/build?");
        assertThat(files()).isEmpty();
    }
}
