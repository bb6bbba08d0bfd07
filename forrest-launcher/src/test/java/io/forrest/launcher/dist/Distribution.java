package io.forrest.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.MarkdownBlocks;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What Maven has built for people to install, and a way to run programs on it. */
final class Distribution {
    private Distribution() {}

    /** What a program that has ended printed, standard error included. */
    record Ended(int exitCode, String output) {
        /** Throws with its words if it failed. */
        String good() {
            assertThat(exitCode).as(output).isZero();
            return output;
        }
    }

    static Path archive() throws IOException {
        return built("forrest-", ".tar.gz");
    }

    static Path debianPackage() throws IOException {
        return built("forrest_", "_all.deb");
    }

    /** A file of {@code src/main/dist}. */
    static Path source(String path) {
        return MarkdownBlocks.sourceFile("forrest-launcher/src/main/dist").resolve(path);
    }

    private static Path built(String prefix, String suffix) throws IOException {
        try (Stream<Path> files = Files.list(MarkdownBlocks.sourceFile("forrest-launcher/target"))) {
            List<Path> found = files.filter(
                            file -> file.getFileName().toString().startsWith(prefix)
                                    && file.toString().endsWith(suffix))
                    .toList();
            assertThat(found)
                    .as("%s*%s, which mvn package builds", prefix, suffix)
                    .hasSize(1);
            return found.get(0);
        }
    }

    /** Runs it to its end. */
    static Ended run(String... command) throws IOException, InterruptedException {
        return run(new ProcessBuilder(command));
    }

    static Ended run(ProcessBuilder builder) throws IOException, InterruptedException {
        Process process = builder.redirectErrorStream(true).start();
        process.getOutputStream().close();
        try (InputStream in = process.getInputStream()) {
            String output = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return new Ended(process.waitFor(), output);
        }
    }
}
