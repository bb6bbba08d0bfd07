package io.forrest.spi;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The forge's runner, packed as its makers publish it: a {@code .tar.gz} for Linux guests.
 *
 * @param version as its makers count, e.g. {@code 2.330.0}
 * @param sha256 of the archive, in 64 hexadecimal digits
 * @param file the archive on this host, whose checksum is right; a guest may be given it. Empty if it is not here, so that
 *     guests have to fetch it themselves
 */
public record RunnerArchive(String version, String sha256, Optional<Path> file) {
    /** Both go into shell scripts of guests. */
    private static final Pattern VERSION = Pattern.compile("[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}");

    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    public RunnerArchive {
        Objects.requireNonNull(file);
        if (!VERSION.matcher(version).matches()) {
            throw new IllegalArgumentException("no version of a runner: " + version);
        }
        if (!SHA256.matcher(sha256).matches()) {
            throw new IllegalArgumentException("no SHA-256 in hexadecimal digits: " + sha256);
        }
    }
}
