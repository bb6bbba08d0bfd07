package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.HostNeeds;
import io.forrest.testing.MarkdownBlocks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.testng.annotations.Test;

/** The unit and the site that ship with the launcher, held by the programs that they are for. */
public class ShippedConfigurationTest {
    /** In tenths, as systemd-analyze counts; 100 is no protection at all. */
    private static final int MOST_EXPOSURE = 25;

    private static String block(String document, String language) throws IOException {
        return MarkdownBlocks.of(document).stream()
                .filter(block -> block.language().equals(language)
                        && block.text().lines().count() > 10)
                .findFirst()
                .orElseThrow()
                .text();
    }

    @Test
    public void theDocumentationShowsTheUnitAndTheSiteThatShip() throws IOException {
        assertThat(Distribution.source("systemd/forrest.service")).hasContent(block("docs/operating.md", "ini"));
        assertThat(Distribution.source("nginx/forrest")).hasContent(block("docs/nginx.md", "nginx"));
    }

    @Test
    public void theServiceStartsForrestAsTheReferenceIsStarted() throws IOException {
        assertThat(Files.readAllLines(Distribution.source("systemd/forrest.service")))
                .contains(
                        "Type=notify",
                        "User=forrest",
                        "WorkingDirectory=/var/lib/forrest",
                        "ExecStart=/usr/bin/forrest /etc/forrest/config.yaml")
                // systemd ends all processes of a service otherwise, QEMUs included.
                .contains("KillMode=process", "OOMPolicy=continue");
    }

    @Test(groups = "systemd")
    public void systemdUnderstandsTheUnitAndFindsItWellProtected() throws Exception {
        String analyze = HostNeeds.program("systemd-analyze").toString();
        Path directory = Files.createTempDirectory("units");
        Path unit = directory.resolve("forrest.service");
        Files.writeString(
                unit,
                Files.readString(Distribution.source("systemd/forrest.service"))
                        .replace(
                                "/usr/bin/forrest",
                                Distribution.source("bin/forrest").toString()));
        Path firewall = Files.copy(
                Distribution.source("systemd/forrest-firewall.service"), directory.resolve("forrest-firewall.service"));
        assertThat(Distribution.run(analyze, "verify", unit.toString(), firewall.toString())
                        .good())
                .isEmpty();
        String exposure = Distribution.run(
                        analyze,
                        "security",
                        "--no-pager",
                        "--offline=true",
                        "--threshold=" + MOST_EXPOSURE,
                        unit.toString())
                .good();
        List<String> words = List.of(
                exposure.lines().reduce((first, last) -> last).orElseThrow().split(" "));
        String figure = words.get(words.indexOf("forrest.service:") + 1);
        assertThat(Files.readString(MarkdownBlocks.sourceFile("docs/operating.md")))
                .as("the figure that the documentation gives")
                .contains("exposure of " + figure);
    }

    @Test(groups = "nginx")
    public void nginxTakesTheSite() throws Exception {
        String nginx = HostNeeds.program("nginx").toString();
        String openssl = HostNeeds.program("openssl").toString();
        Path directory = Files.createTempDirectory("site");
        Distribution.run(
                        openssl,
                        "req",
                        "-x509",
                        "-newkey",
                        "rsa:2048",
                        "-nodes",
                        "-subj",
                        "/CN=forrest.example.com",
                        "-keyout",
                        directory.resolve("privkey.pem").toString(),
                        "-out",
                        directory.resolve("fullchain.pem").toString())
                .good();
        Files.writeString(
                directory.resolve("forrest"),
                Files.readString(Distribution.source("nginx/forrest"))
                        .replace("/etc/letsencrypt/live/forrest.example.com", directory.toString()));
        Files.writeString(
                directory.resolve("nginx.conf"),
                "pid %1$s/pid; events {} http { access_log off; include %1$s/forrest; }".formatted(directory));
        assertThat(Distribution.run(
                                nginx,
                                "-t",
                                "-e",
                                "stderr",
                                "-p",
                                directory.toString(),
                                "-c",
                                directory.resolve("nginx.conf").toString())
                        .good())
                .contains("test is successful")
                .doesNotContain("[warn]");
    }
}
