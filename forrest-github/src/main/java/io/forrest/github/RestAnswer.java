package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.URI;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * An answer of GitHub's.
 *
 * @param body missing if there was none, or if an error page was not JSON
 * @param nextPage where the list goes on
 * @param pause how GitHub said that it is asked too much, if it did
 */
record RestAnswer(int status, JsonNode body, Optional<URI> nextPage, Pauses.Signs pause) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern NEXT = Pattern.compile("<([^>]+)>;\\s*rel=\"next\"");

    /** Reads all of a response. */
    static RestAnswer of(GitHubConnectorResponse response) throws IOException {
        int status = response.statusCode();
        byte[] bytes = response.bodyStream().readAllBytes();
        JsonNode body = bytes.length == 0 ? MissingNode.getInstance() : readTree(status, bytes);
        return new RestAnswer(
                status, body, nextPage(response.header("Link")), Pauses.Signs.of(response, message(body)));
    }

    boolean isGood() {
        return status >= 200 && status < 300;
    }

    /** What GitHub said of an error, on one line; empty if nothing. */
    String message() {
        return message(body);
    }

    private static String message(JsonNode body) {
        return body.path("message").asText("").strip().replaceAll("\\s+", " ");
    }

    /** A proxy's error page is not JSON, but its status tells enough. */
    private static JsonNode readTree(int status, byte[] bytes) throws IOException {
        try {
            return JSON.readTree(bytes);
        } catch (IOException e) {
            if (status >= 300) {
                return MissingNode.getInstance();
            }
            throw new IOException("its answer is not JSON", e);
        }
    }

    private static Optional<URI> nextPage(String link) throws IOException {
        if (link == null) {
            return Optional.empty();
        }
        Matcher matcher = NEXT.matcher(link);
        try {
            return matcher.find() ? Optional.of(URI.create(matcher.group(1))) : Optional.empty();
        } catch (IllegalArgumentException e) {
            throw new IOException("the address of its next page is none", e);
        }
    }
}
