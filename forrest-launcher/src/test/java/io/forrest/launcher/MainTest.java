package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class MainTest {
    private final StringWriter err = new StringWriter();

    private int run(String word) {
        err.getBuffer().setLength(0);
        return Main.commandLine().setErr(new PrintWriter(err, true)).execute(word);
    }

    @DataProvider
    public Object[][] files() throws IOException {
        return new Object[][] {
            {"/nowhere/forrest.conf"},
            {"no-such-file.yaml"},
            {"no-such-file.yml"},
            {"./config"},
            // Of whatever name, if it is there.
            {Files.createTempFile(Path.of("target"), "config", "").toString()}
        };
    }

    @Test(dataProvider = "files")
    public void aFileWithoutACommandIsTheConfigurationToServe(String file) {
        assertThat(run(file)).isEqualTo(1);
        assertThat(err.toString()).contains(file).doesNotContain("command");
    }

    @Test
    public void aMistypedCommandIsNotTakenForAFile() {
        assertThat(run("mahcines")).isEqualTo(2);
        assertThat(err.toString())
                .contains("\"mahcines\" is neither a command nor a file. Did you mean machines?")
                .contains("Usage: forrest");
    }
}
