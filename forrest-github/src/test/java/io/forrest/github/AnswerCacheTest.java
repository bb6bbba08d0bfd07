package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.ManualClock;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.kohsuke.github.connector.GitHubConnectorRequest;
import org.kohsuke.github.connector.GitHubConnectorResponse;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** What is kept, and for whom. */
public class AnswerCacheTest {
    private static final Duration LATELY = Duration.ofHours(1);
    private static final OptionalLong ONE = OptionalLong.of(1);

    private ManualClock clock;
    private AnswerCache cache;

    /** The tags that came with requests. */
    private final List<String> asked = new ArrayList<>();

    @BeforeMethod
    public void start() {
        clock = new ManualClock(Instant.parse("2026-03-01T10:00:00Z"));
        cache = new AnswerCache(10 << 10, LATELY, clock);
        asked.clear();
    }

    private static final class Response extends GitHubConnectorResponse.ByteArrayResponse {
        private final String body;

        Response(GitHubConnectorRequest request, int status, Map<String, List<String>> headers, String body) {
            super(request, status, headers);
            this.body = body;
        }

        @Override
        protected InputStream rawBodyStream() {
            return new ByteArrayInputStream(body.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Asks a GitHub whose answer is {@code now}, and which knows what it is asked with. */
    private String ask(OptionalLong installation, String path, String now) throws IOException {
        GitHubConnectorResponse response = cache.send(
                installation,
                new RestRequest(
                        "GET", URI.create("https://api.example.com" + path).toURL(), "Bearer x", new byte[0]),
                request -> {
                    String tag =
                            Optional.ofNullable(request.header("If-None-Match")).orElse("");
                    asked.add(tag);
                    return tag.equals("W/" + now)
                            ? new Response(request, 304, Map.of(), "")
                            : new Response(
                                    request,
                                    200,
                                    Map.of("ETag", List.of("W/" + now), "Link", List.of("of " + now)),
                                    now);
                });
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.header("Link")).isEqualTo("of " + now);
        return new String(response.bodyStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    @Test
    public void whatHasNotChangedIsAnsweredFromTheCacheWithItsHeaders() throws Exception {
        assertThat(ask(ONE, "/a", "first")).isEqualTo("first");
        assertThat(ask(ONE, "/a", "first")).isEqualTo("first");
        assertThat(ask(ONE, "/a", "second")).isEqualTo("second");
        assertThat(ask(ONE, "/a", "second")).isEqualTo("second");
        assertThat(asked).containsExactly("", "W/first", "W/first", "W/second");
    }

    @Test
    public void aHeaderThatCameNowCountsInsteadOfTheOneThatCameThen() throws Exception {
        RestRequest request =
                new RestRequest("GET", URI.create("https://api.example.com/a").toURL(), "Bearer x", new byte[0]);
        cache.send(
                ONE,
                request,
                sent -> new Response(sent, 200, Map.of("etag", List.of("x"), "date", List.of("then")), "body"));
        GitHubConnectorResponse again =
                cache.send(ONE, request, sent -> new Response(sent, 304, Map.of("Date", List.of("now")), ""));
        assertThat(again.header("Date")).isEqualTo("now");
        assertThat(again.header("ETag")).isEqualTo("x");
    }

    @Test
    public void whatOneInstallationWasToldNoOtherIs() throws Exception {
        ask(ONE, "/a", "x");
        ask(OptionalLong.of(2), "/a", "x");
        ask(OptionalLong.empty(), "/a", "x");
        ask(ONE, "/b", "x");
        assertThat(asked).containsExactly("", "", "", "");
    }

    @Test
    public void whenItIsFullWhatNobodyAskedForLatelyMakesRoomAndNothingElseDoes() throws Exception {
        // About nine answers fit.
        for (int round = 0; round < 3; round++) {
            asked.clear();
            for (int i = 0; i < 20; i++) {
                ask(ONE, "/old/" + i, "x");
            }
        }
        // Asked for in turns, as polls do: those that are kept are of use in every round.
        assertThat(asked).filteredOn(tag -> !tag.isEmpty()).hasSizeBetween(8, 9);
        clock.advance(LATELY.plusSeconds(1));
        for (int round = 0; round < 2; round++) {
            asked.clear();
            for (int i = 0; i < 5; i++) {
                ask(ONE, "/new/" + i, "x");
            }
        }
        assertThat(asked).containsOnly("W/x").hasSize(5);
    }
}
