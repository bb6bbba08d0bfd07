package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerArchive;
import java.net.URI;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The runner that GitHub has its users download ("List runner applications for a repository" in its REST API).
 *
 * @param address of the archive, by http or https
 * @param sha256 of the archive, in 64 hexadecimal digits
 * @param token the bearer of it may have the archive, where that is not public
 */
public record RunnerRelease(String version, URI address, String sha256, Optional<Secret> token) {
    private static final String OS = "linux";

    /** Guests are PCs, whatever the host is. */
    private static final String ARCHITECTURE = "x64";

    private static final Pattern FILE_NAME =
            Pattern.compile("actions-runner-" + OS + "-" + ARCHITECTURE + "-([0-9][0-9A-Za-z.+_-]*)\\.tar\\.gz");

    /**
     * Asks GitHub. Blocks on the network.
     *
     * @throws PluginException {@code RETRY_LATER} on outage or limits, {@code REJECTED} if GitHub refuses, or offers nothing
     *     that may be given to guests
     */
    public static RunnerRelease newest(GitHubConnection connection, RepositoryId repository) throws PluginException {
        String path = "/repos/" + repository + "/actions/runners/downloads";
        JsonNode offers = connection
                .asInstallation(repository, "GET", connection.address(path), new byte[0])
                .body();
        for (JsonNode offer : offers) {
            if (text(offer, "os").equals(OS) && text(offer, "architecture").equals(ARCHITECTURE)) {
                return of(offer);
            }
        }
        throw rejected("GitHub offers " + repository + " no runner for " + OS + " on " + ARCHITECTURE + ".");
    }

    private static RunnerRelease of(JsonNode offer) throws PluginException {
        Matcher fileName = FILE_NAME.matcher(text(offer, "filename"));
        if (!fileName.matches()) {
            throw rejected("GitHub's runner has a file name without a version that could be told from it: \""
                    + text(offer, "filename").replaceAll("[^ -~]", "?") + "\".");
        }
        String version = fileName.group(1);
        String sha256 = text(offer, "sha256_checksum").toLowerCase(Locale.ROOT);
        if (sha256.isEmpty()) {
            throw rejected("GitHub tells no checksum of its runner " + version
                    + ", and nothing unchecked is given to guests.");
        }
        try {
            URI address = URI.create(text(offer, "download_url"));
            boolean web = "https".equalsIgnoreCase(address.getScheme()) || "http".equalsIgnoreCase(address.getScheme());
            if (!web || address.getHost() == null) {
                throw rejected("GitHub's runner " + version + " has no address of http or https.");
            }
            // Whether these are what they are called.
            RunnerArchive named = new RunnerArchive(version, sha256, Optional.empty());
            return new RunnerRelease(
                    named.version(),
                    address,
                    named.sha256(),
                    Optional.of(text(offer, "temp_download_token"))
                            .filter(token -> !token.isEmpty())
                            .map(Secret::of));
        } catch (IllegalArgumentException e) {
            throw rejected("GitHub's runner " + version + " cannot be used: " + e.getMessage() + ".");
        }
    }

    private static String text(JsonNode offer, String field) {
        return offer.path(field).asText("");
    }

    private static PluginException rejected(String message) {
        return new PluginException(
                PluginException.Kind.REJECTED,
                message + " With runner: template, and RUNNER_VERSION and RUNNER_HASH as the template's parameters,"
                        + " guests download one themselves.");
    }
}
