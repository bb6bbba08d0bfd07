package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** {@code bin/forrest}, with Javas that only say how they were started. */
public class StartScriptTest {
    private Path directory;

    @BeforeMethod
    public void prepare() throws IOException {
        directory = Files.createTempDirectory("start");
    }

    /** A Java home whose program says which version it is, and how it was started. */
    private Path java(String name, String version) throws IOException {
        Path home = directory.resolve(name);
        Path program = home.resolve("bin/java");
        Files.createDirectories(program.getParent());
        Files.writeString(
                program,
                """
                #!/bin/sh
                if [ "$1" = -version ]; then echo 'openjdk version "%s" 2026-01-01' >&2; exit; fi
                echo "%s in $LC_ALL: $*"
                """
                        .formatted(version, name));
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
        return home;
    }

    private String run(Map<String, String> environment, String... arguments) throws Exception {
        return run(Distribution.source("bin/forrest"), environment, arguments);
    }

    private static String run(Path script, Map<String, String> environment, String... arguments) throws Exception {
        String[] command = new String[arguments.length + 1];
        command[0] = script.toString();
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().clear();
        builder.environment().put("PATH", "/usr/bin:/bin");
        builder.environment().putAll(environment);
        return Distribution.run(builder).good().strip();
    }

    @Test
    public void itStartsTheJarBesideItAlsoThroughALink() throws Exception {
        Path home = Files.createDirectories(directory.resolve("opt/forrest/bin"));
        Files.copy(Distribution.source("bin/forrest"), home.resolve("forrest"));
        Path link = Files.createSymbolicLink(directory.resolve("forrest"), home.resolve("forrest"));
        assertThat(run(link, Map.of("JAVA_HOME", java("good", "17.0.1").toString()), "check", "a b"))
                .startsWith("good in C.UTF-8: ")
                .contains(" -cp " + directory.resolve("opt/forrest/forrest-launcher.jar") + " ")
                .endsWith(" io.forrest.launcher.Main check a b");
    }

    @Test
    public void aJavaThatIsTooOldIsPassedOver() throws Exception {
        Path old = java("old", "11.0.2");
        Path good = java("good", "25");
        assertThat(run(Map.of("JAVA_HOME", old.toString(), "PATH", good + "/bin:/usr/bin:/bin")))
                .startsWith("good ");
        assertThat(run(Map.of("JAVA_HOME", good.toString(), "PATH", old + "/bin:/usr/bin:/bin")))
                .startsWith("good ");
    }

    @Test
    public void theVersionIsReadFromTheFileThatTellsItWhereThereIsOne() throws Exception {
        Path named = java("named", "does not count");
        Files.writeString(named.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.3\"\n");
        assertThat(run(Map.of("JAVA_HOME", named.toString()))).startsWith("named ");
    }

    @Test
    public void pluginsComeAfterForrestsOwnJarAndTheLocaleStaysIfThereIsOne() throws Exception {
        assertThat(run(Map.of(
                        "JAVA_HOME",
                        java("good", "17").toString(),
                        "FORREST_PLUGINS",
                        "/srv/plugins",
                        "LC_ALL",
                        "de_DE.UTF-8")))
                .startsWith("good in de_DE.UTF-8: ")
                .contains("/forrest-launcher.jar:/srv/plugins/* io.forrest.launcher.Main");
    }
}
