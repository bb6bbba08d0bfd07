package io.forrest.testing;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.testng.SkipException;

/** Lets a test say what it needs of the host; without it the test is skipped, or fails where skips are forbidden. */
public final class HostNeeds {
    private HostNeeds() {}

    /** Needs a program on the PATH or in an administrator's directory. */
    public static Path program(String name) {
        return Arrays.stream((System.getenv("PATH") + ":/usr/sbin:/sbin").split(File.pathSeparator, -1))
                .map(directory -> Path.of(directory).resolve(name))
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(() -> missing("the program " + name));
    }

    /** Needs to be root, e.g. for loop mounts. */
    public static void root() {
        if (!"root".equals(System.getProperty("user.name"))) {
            throw missing("to run as root");
        }
    }

    /** What to throw to end the test as skipped; with {@code -DnoSkips} this throws by itself, and the test fails. */
    public static SkipException missing(String what) {
        if (Boolean.getBoolean("forrest.test.noSkips")) {
            throw new AssertionError("This test needs " + what + ", and skips are forbidden here.");
        }
        return new SkipException("This test needs " + what + ".");
    }
}
