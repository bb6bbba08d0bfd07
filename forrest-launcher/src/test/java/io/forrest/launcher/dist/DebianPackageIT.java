package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** The package, installed by dpkg in a copy of this host on which no systemd runs. */
@Test(groups = "dpkg")
public class DebianPackageIT {
    private static final String INSTALL = "dpkg --install --force-depends /root/forrest.deb </dev/null";
    private static final String ENABLED = "/etc/systemd/system/multi-user.target.wants/forrest.service";

    private static final String FIREWALL_ENABLED =
            "/etc/systemd/system/multi-user.target.wants/forrest-firewall.service";

    private OverlayRoot root;

    @BeforeMethod
    public void prepare() throws Exception {
        HostNeeds.program("dpkg");
        HostNeeds.program("nft");
        root = OverlayRoot.mount();
        root.addHost();
        Files.copy(Distribution.debianPackage(), root.path("/root/forrest.deb"));
    }

    @AfterMethod(alwaysRun = true)
    public void cleanUp() {
        if (root != null) {
            root.close();
        }
    }

    private String in(String command) throws IOException, InterruptedException {
        return root.run(command).good().strip();
    }

    /** Mode, owner, group. */
    private String rights(String path) throws IOException, InterruptedException {
        return in("stat --format='%a %U %G' " + path);
    }

    @Test
    public void onAFreshHostItMakesTheUserAndItsDirectoriesAndSaysWhatComesNext() throws Exception {
        assertThat(in(INSTALL)).contains("starts once it is configured", "/etc/forrest/config.yaml", "enable --now");
        assertThat(in("getent passwd forrest")).endsWith(":/var/lib/forrest:/usr/sbin/nologin");
        assertThat(in("id --name --groups forrest").split(" ")).containsExactlyInAnyOrder("forrest", "kvm");
        // nginx must pass, and nobody else may look around.
        assertThat(rights("/var/lib/forrest")).isEqualTo("711 forrest forrest");
        assertThat(rights("/etc/forrest")).isEqualTo("750 root forrest");
        assertThat(root.path(ENABLED)).doesNotExist();
        assertThat(root.path("/var/lib/systemd/linger/forrest")).exists();
        assertThat(Files.isSymbolicLink(root.path(FIREWALL_ENABLED))).isTrue();
        in("unshare --net nft -f /etc/forrest/firewall.nft");

        assertThat(in("cd / && forrest --version")).startsWith("forrest ");
        assertThat(in("forrest check --config-only /usr/share/doc/forrest/examples/config.yaml"))
                .endsWith("has no problems.");
        // What it says of a host is of a user who may use it.
        assertThat(root.run("setpriv --reuid forrest --regid forrest --init-groups"
                                + " forrest check /usr/share/doc/forrest/examples/config.yaml")
                        .output())
                .contains("/etc/forrest/key.pem", "base_image")
                .doesNotContain("setup_template", "Exception");
    }

    @Test
    public void whatTheReferencesUsersHaveStaysAsItIsAndNobodyIsAsked() throws Exception {
        in(
                "groupadd --system forrest && useradd --system --gid forrest --home-dir /srv/home --shell /bin/bash forrest");
        in("mkdir -m 755 /etc/forrest /var/lib/forrest && chown forrest:forrest /var/lib/forrest");
        in("mkdir -p /etc/forrest/setup-templates/generic/cloud-init /var/lib/forrest/machines/acme");
        List<String> files = List.of(
                "/etc/forrest/config.yaml",
                "/etc/forrest/setup-templates/generic/cloud-init/user-data",
                "/var/lib/forrest/machines/acme/build.img");
        for (String file : files) {
            in("echo mine > " + file);
        }
        Path unit = Files.writeString(
                root.path("/etc/systemd/system/forrest.service"),
                """
                [Service]
                ExecStart=/usr/bin/forrest /etc/forrest/config.yaml
                [Install]
                WantedBy=multi-user.target
                """);
        String before = Files.readString(unit);
        assertThat(in(INSTALL)).doesNotContain("once it is configured");
        assertThat(unit).hasContent(before);
        for (String file : files) {
            assertThat(root.path(file)).hasContent("mine");
        }
        assertThat(in("getent passwd forrest")).endsWith(":/srv/home:/bin/bash");
        assertThat(rights("/etc/forrest")).isEqualTo("755 root root");
        assertThat(rights("/var/lib/forrest")).isEqualTo("755 forrest forrest");
        assertThat(Files.isSymbolicLink(root.path(ENABLED))).isTrue();
    }

    @Test
    public void anUpgradeKeepsWhatWasChanged() throws Exception {
        in(INSTALL);
        in("echo 'JDK_JAVA_OPTIONS=-Xmx1g' > /etc/default/forrest && echo mine > /etc/forrest/config.yaml");
        in("rm /etc/forrest/setup-templates && mkdir /etc/forrest/setup-templates && chmod 700 /var/lib/forrest");
        String user = in("getent passwd forrest");
        assertThat(in(INSTALL)).doesNotContain("once it is configured");
        assertThat(root.path("/etc/default/forrest")).hasContent("JDK_JAVA_OPTIONS=-Xmx1g");
        assertThat(root.path("/etc/forrest/config.yaml")).hasContent("mine");
        assertThat(Files.isSymbolicLink(root.path("/etc/forrest/setup-templates")))
                .isFalse();
        assertThat(rights("/var/lib/forrest")).isEqualTo("700 forrest forrest");
        assertThat(in("getent passwd forrest")).isEqualTo(user);
        // It was not enabled, and that is not for an upgrade to change.
        assertThat(root.path(ENABLED)).doesNotExist();
    }

    @Test
    public void aFileSystemThatWasMountedForItBecomesItsOwn() throws Exception {
        in("mkdir -m 755 /var/lib/forrest /var/lib/forrest/lost+found");
        in(INSTALL);
        assertThat(rights("/var/lib/forrest")).isEqualTo("755 forrest forrest");
        assertThat(rights("/var/lib/forrest/lost+found")).isEqualTo("755 root root");
    }

    @Test
    public void aPurgeLeavesImagesAndTheConfigurationWithTheirOwner() throws Exception {
        in(INSTALL);
        in("echo image > /var/lib/forrest/image && chown forrest /var/lib/forrest/image");
        in("echo mine > /etc/forrest/config.yaml && systemctl enable forrest");
        assertThat(Files.isSymbolicLink(root.path(ENABLED))).isTrue();

        in("dpkg --remove forrest");
        assertThat(root.path("/usr/bin/forrest")).doesNotExist();
        assertThat(root.path("/etc/default/forrest")).exists();

        assertThat(in("dpkg --purge forrest")).contains("stay in /var/lib/forrest");
        assertThat(rights("/var/lib/forrest/image")).endsWith(" forrest root");
        assertThat(root.path("/etc/forrest/config.yaml")).hasContent("mine");
        for (String gone : List.of(
                "/usr/share/forrest",
                "/usr/share/doc/forrest",
                "/usr/lib/systemd/system/forrest.service",
                "/etc/default/forrest",
                "/etc/forrest/setup-templates",
                ENABLED,
                FIREWALL_ENABLED,
                "/etc/forrest/firewall.nft",
                "/var/lib/systemd/linger/forrest")) {
            assertThat(Files.exists(root.path(gone), LinkOption.NOFOLLOW_LINKS))
                    .as(gone)
                    .isFalse();
        }
        assertThat(in("dpkg --status forrest 2>&1 || true")).contains("not installed");
    }

    @Test
    public void withoutAJavaThatIsNewEnoughItSaysWhatToInstall() throws Exception {
        in(INSTALL);
        in("mkdir /empty");
        root.bind(root.path("/empty"), "/usr/lib/jvm");
        Distribution.Ended ended = root.run("PATH=/usr/bin:/bin forrest --version");
        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.output()).contains("Java 17 or newer", "apt-get install default-jre-headless", "JAVA_HOME");
    }
}
