package io.forrest.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.MachineType;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerArchive;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class GuestFilesTest {
    private Path template;
    private MachineType type;
    private Optional<RunnerArchive> runner = Optional.empty();

    @BeforeMethod
    public void makeTemplate() throws IOException {
        template = Files.createTempDirectory("template");
        Files.createDirectory(template.resolve("cloud-init"));
        Files.createDirectory(template.resolve("job-config"));
        MachineType plain = TestConfigs.type("build", "1G", Optional.empty(), Optional.empty(), template);
        type = new MachineType(
                plain.id(),
                plain.baseMachine(),
                plain.baseImage(),
                plain.useBase(),
                new MachineType.SetupTemplate(template, Map.of("RUNNER_VERSION", "2.330.0", "TRICK", "<JITCONFIG>")),
                plain.runner(),
                plain.cpus(),
                plain.disk(),
                plain.ram(),
                plain.shared(),
                plain.networkInterfaces(),
                plain.artifacts());
    }

    private GuestFiles render() throws PluginException {
        return GuestFiles.render(type, MachineId.random(type.id()), Secret.of("jit"), Secret.of("run"), runner);
    }

    @Test
    public void allPlaceholdersAndParametersAreReplacedAndAllElseIsKept() throws Exception {
        Files.writeString(
                template.resolve("job-config/job.sh"),
                "<REPO_OWNER>/<REPO_NAME> <MACHINE_NAME> <JITCONFIG> <RUN_TOKEN> <RUNNER_VERSION> <UNKNOWN> a < b > c ü");
        assertThat(render().jobConfig().get("job.sh"))
                .asString(StandardCharsets.UTF_8)
                .isEqualTo("acme/firmware build jit run 2.330.0 <UNKNOWN> a < b > c ü");
    }

    @Test
    public void aValueThatLooksLikeAPlaceholderIsNotReplacedAgain() throws Exception {
        Files.writeString(template.resolve("cloud-init/user-data"), "<TRICK>");
        assertThat(render().cloudInit().get("user-data"))
                .asString(StandardCharsets.UTF_8)
                .isEqualTo("<JITCONFIG>");
    }

    @Test
    public void aTemplateWithoutItsDirectoriesIsRefusedByName() throws Exception {
        Files.delete(template.resolve("job-config"));
        assertThatThrownBy(this::render)
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.REJECTED))
                .hasMessageContaining(template.resolve("job-config").toString());
        assertThat(GuestFiles.check(type))
                .extracting(HostProblem::where)
                .containsExactly("repositories.acme.firmware.machines.build.setup_template.path");
    }

    @Test
    public void aFileThatIsNotTextADirectoryOrTooLargeIsRefusedByName() throws Exception {
        Path file = template.resolve("cloud-init/user-data");
        Files.write(file, new byte[] {(byte) 0xff, (byte) 0xfe});
        assertThatThrownBy(this::render).hasMessageContaining(file + " is not UTF-8");
        Files.write(file, new byte[(1 << 20) + 1]);
        assertThatThrownBy(this::render).hasMessageContaining("1 MiB");
        Files.delete(file);
        Files.createDirectory(file);
        assertThatThrownBy(this::render).hasMessageContaining("not a plain file");
    }
}
