package io.forrest.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.stream.Stream;

/** The files that ship with the launcher, in its jar: setup templates and the scripts that build guests' images. */
public final class ShippedFiles {
    private static final String ROOT = "/dist/";

    private ShippedFiles() {}

    /**
     * Copies a shipped directory, e.g. {@code setup-templates/generic}, to {@code target}, which does not exist yet.
     * Programs among them can be run.
     */
    public static void unpack(String directory, Path target) throws IOException {
        URL root = ShippedFiles.class.getResource(ROOT + directory);
        if (root == null) {
            throw new IOException("This launcher was built without its files " + directory + ".");
        }
        try {
            URI uri = root.toURI();
            if (uri.getScheme().equals("jar")) {
                try (FileSystem jar = FileSystems.newFileSystem(uri, Map.of())) {
                    copy(jar.getPath(ROOT + directory), target);
                }
            } else {
                copy(Path.of(uri), target);
            }
        } catch (URISyntaxException e) {
            throw new IOException("not an address: " + root, e);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static void copy(Path source, Path target) throws IOException {
        try (Stream<Path> files = Files.walk(source)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path copy = target.resolve(source.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(copy);
                } else {
                    Files.copy(file, copy);
                    // A jar keeps no permissions; what begins as a script is one.
                    if (isScript(copy)) {
                        Files.setPosixFilePermissions(copy, PosixFilePermissions.fromString("rwxr-xr-x"));
                    }
                }
            }
        }
    }

    private static boolean isScript(Path file) throws IOException {
        byte[] head = new byte[2];
        try (var in = Files.newInputStream(file)) {
            return in.readNBytes(head, 0, 2) == 2 && head[0] == '#' && head[1] == '!';
        }
    }
}
