package io.forrest.github;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.kohsuke.github.connector.GitHubConnectorRequest;
import org.kohsuke.github.connector.GitHubConnectorResponse;

/**
 * Answers to be used again if GitHub says that they still hold: who asks with an answer's {@code ETag} is answered 304, which
 * costs nothing of the rate limit ("Best practices for using the REST API" in GitHub's documentation). Nothing is ever used
 * without having been asked for.
 *
 * <p>An installation's tokens change each hour, and GitHub's tags with them; the answer for the new token takes the place of
 * the one for the old. Bodies are kept compressed: a page of workflow runs is two megabytes of much the same. When the cache
 * is full, answers that nobody asked for lately go; if none is left of those, new ones are not kept, as polling in turns
 * would otherwise push out each answer just before it is asked for. Thread-safe.
 */
final class AnswerCache {
    /** For what an entry takes beside its body. */
    private static final int BYTES_OF_AN_ENTRY = 1024;

    private static final int OK = 200;
    private static final int NOT_MODIFIED = 304;

    private final long mostBytes;
    private final Duration lately;
    private final Clock clock;

    // Guarded by this.
    private final Map<Key, Kept> answers = new HashMap<>();
    private long bytes;

    /** {@code lately} is longer than the time between two looks at the same thing. */
    AnswerCache(long mostBytes, Duration lately, Clock clock) {
        this.mostBytes = mostBytes;
        this.lately = lately;
        this.clock = clock;
    }

    /**
     * Whose answer it is, and to what.
     *
     * @param installation empty for the App itself
     * @param accept the forms of answer that were asked for
     */
    private record Key(OptionalLong installation, String address, String accept) {}

    /** An answer with the headers that came with it. */
    private static final class Kept {
        private final String tag;
        private final byte[] compressed;
        private final Map<String, List<String>> headers;

        // Guarded by the cache.
        private Instant used;

        Kept(String tag, byte[] compressed, Map<String, List<String>> headers, Instant used) {
            this.tag = tag;
            this.compressed = compressed;
            this.headers = headers;
            this.used = used;
        }

        long size() {
            return BYTES_OF_AN_ENTRY + (long) compressed.length;
        }
    }

    /** Carries a request to GitHub. */
    interface Carrier {
        GitHubConnectorResponse send(GitHubConnectorRequest request) throws IOException;
    }

    /**
     * Sends a request, which is made a conditional one if its answer is known, and answers as if it had been none: with 200
     * and the whole body.
     *
     * @param installation as which it is asked; empty for the App itself
     */
    GitHubConnectorResponse send(OptionalLong installation, GitHubConnectorRequest request, Carrier carrier)
            throws IOException {
        if (!request.method().equals("GET")) {
            return carrier.send(request);
        }
        Key key = new Key(
                installation,
                request.url().toString(),
                Optional.ofNullable(request.header("Accept")).orElse(""));
        Optional<Kept> known = find(key);
        GitHubConnectorResponse response =
                carrier.send(known.map(kept -> conditional(request, kept.tag)).orElse(request));
        if (response.statusCode() == NOT_MODIFIED && known.isPresent()) {
            return again(request, known.get(), response.allHeaders());
        }
        String tag = response.header("ETag");
        if (response.statusCode() == OK && tag != null) {
            keep(
                    key,
                    new Kept(
                            tag,
                            compressed(response.bodyStream().readAllBytes()),
                            response.allHeaders(),
                            clock.instant()));
        }
        return response;
    }

    private synchronized Optional<Kept> find(Key key) {
        Optional<Kept> known = Optional.ofNullable(answers.get(key));
        known.ifPresent(kept -> kept.used = clock.instant());
        return known;
    }

    private synchronized void keep(Key key, Kept answer) {
        remove(key);
        if (bytes + answer.size() > mostBytes) {
            Instant before = clock.instant().minus(lately);
            answers.entrySet().stream()
                    .filter(entry -> entry.getValue().used.isBefore(before))
                    .map(Map.Entry::getKey)
                    .toList()
                    .forEach(this::remove);
        }
        if (bytes + answer.size() <= mostBytes) {
            answers.put(key, answer);
            bytes += answer.size();
        }
    }

    private void remove(Key key) {
        Kept removed = answers.remove(key);
        bytes -= removed == null ? 0 : removed.size();
    }

    private static byte[] compressed(byte[] body) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream compressing = new GZIPOutputStream(out)) {
            compressing.write(body);
        } catch (IOException e) {
            throw new UncheckedIOException("memory does not fail", e);
        }
        return out.toByteArray();
    }

    /** Headers that came now, such as the time, count instead of those that came then (RFC 9111, 3.2). */
    private static GitHubConnectorResponse again(
            GitHubConnectorRequest request, Kept kept, Map<String, List<String>> fresh) {
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        headers.putAll(kept.headers);
        headers.putAll(fresh);
        return new GitHubConnectorResponse.ByteArrayResponse(request, OK, headers) {
            @Override
            protected InputStream rawBodyStream() throws IOException {
                return new GZIPInputStream(new ByteArrayInputStream(kept.compressed));
            }
        };
    }

    private static GitHubConnectorRequest conditional(GitHubConnectorRequest request, String tag) {
        return new GitHubConnectorRequest() {
            @Override
            public String method() {
                return request.method();
            }

            @Override
            public Map<String, List<String>> allHeaders() {
                Map<String, List<String>> headers = new HashMap<>(request.allHeaders());
                headers.put("If-None-Match", List.of(tag));
                return headers;
            }

            @Override
            public String header(String name) {
                return name.equalsIgnoreCase("If-None-Match") ? tag : request.header(name);
            }

            @Override
            public String contentType() {
                return request.contentType();
            }

            @Override
            public InputStream body() {
                return request.body();
            }

            @Override
            public URL url() {
                return request.url();
            }

            @Override
            public boolean hasBody() {
                return request.hasBody();
            }
        };
    }
}
