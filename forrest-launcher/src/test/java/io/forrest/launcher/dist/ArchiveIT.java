package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** The archive, unpacked where nothing else is. */
@Test
public class ArchiveIT {
    private Path home;

    @BeforeClass
    public void unpack() throws Exception {
        Path directory = Files.createTempDirectory("unpacked");
        Distribution.run(
                        "tar",
                        "--extract",
                        "--gzip",
                        "--file",
                        Distribution.archive().toString(),
                        "--directory",
                        directory.toString())
                .good();
        String name = Distribution.archive().getFileName().toString();
        home = directory.resolve(name.substring(0, name.length() - ".tar.gz".length()));
    }

    @Test
    public void itRunsWhereItWasUnpacked() throws Exception {
        String forrest = home.resolve("bin/forrest").toString();
        assertThat(Distribution.run(forrest, "--version").good().strip())
                .isEqualTo(home.getFileName().toString().replace("forrest-", "forrest "));
        assertThat(Distribution.run(
                                forrest,
                                "check",
                                "--config-only",
                                home.resolve("docs/examples/config.yaml").toString())
                        .good())
                .contains("has no problems");
    }

    @Test
    public void itHasAllThatTheDocumentationSpeaksOf() {
        for (String file : List.of(
                "README.md",
                "docs/install.md",
                "docs/examples/config.yaml",
                "setup-templates/generic/cloud-init/user-data",
                "systemd/forrest.service",
                "systemd/forrest-firewall.service",
                "firewall/firewall.nft",
                "nginx/forrest",
                "default/forrest")) {
            assertThat(home.resolve(file)).isRegularFile();
        }
        for (String program : List.of("bin/forrest", "guests/build-debian-image", "guests/build-tiny-image")) {
            assertThat(home.resolve(program)).isExecutable();
        }
    }

    @Test
    public void noBuildLeavesItsTimeOrItsUserInWhatIsBuilt() throws Exception {
        Path packed = Distribution.debianPackage();
        for (String listing : List.of(
                Distribution.run(
                                "tar",
                                "--list",
                                "--verbose",
                                "--utc",
                                "--file",
                                Distribution.archive().toString())
                        .good(),
                Distribution.run("sh", "-c", "dpkg-deb --fsys-tarfile " + packed + " | tar --list --verbose --utc")
                        .good(),
                Distribution.run("sh", "-c", "dpkg-deb --ctrl-tarfile " + packed + " | tar --list --verbose --utc")
                        .good())) {
            assertThat(listing.lines()).isNotEmpty().allSatisfy(line -> assertThat(line)
                    .matches("\\S+ root/root +\\d+ 2026-01-01 00:00 .*"));
        }
    }
}
