package io.forrest.github.embedded;

import java.net.URI;
import java.util.Objects;
import java.util.Optional;

/**
 * A runner that the embedded GitHub has its users download, for Linux on x64.
 *
 * @param fileName which has the version in it: {@code actions-runner-linux-x64-2.330.0.tar.gz}
 * @param sha256 what GitHub says it is
 * @param token without which there is no download, as GitHub says
 */
public record RunnerOffer(String fileName, URI address, Optional<String> sha256, Optional<String> token) {
    public RunnerOffer {
        Objects.requireNonNull(fileName);
        Objects.requireNonNull(address);
        Objects.requireNonNull(sha256);
        Objects.requireNonNull(token);
    }
}
