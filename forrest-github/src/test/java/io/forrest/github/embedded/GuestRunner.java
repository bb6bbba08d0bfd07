package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;

/** Does what the runner in a guest does, with a JIT configuration of the embedded GitHub. */
public final class GuestRunner {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newHttpClient();
    private final String address;
    private final String token;

    public GuestRunner(String jitConfig) throws IOException {
        JsonNode decoded = JSON.readTree(Base64.getDecoder().decode(jitConfig));
        // We are not in a guest: the host is here.
        address = decoded.path("url").textValue().replace("10.0.2.2", "127.0.0.1");
        token = decoded.path("token").textValue();
    }

    HttpResponse<String> send(String method, String call, String body) throws IOException, InterruptedException {
        return http.send(
                HttpRequest.newBuilder(URI.create(address + call))
                        .timeout(Duration.ofSeconds(60))
                        .header("Authorization", "Bearer " + token)
                        .method(method, HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    /** Goes online. Returns the status: 204, or 410 if the runner is gone. */
    public int connect() throws IOException, InterruptedException {
        return send("POST", "/session", "").statusCode();
    }

    /** Waits for a job and returns its script; empty if there was none for a while, or if the runner is gone. */
    public Optional<String> takeJob() throws IOException, InterruptedException {
        HttpResponse<String> answer = send("GET", "/job", "");
        return answer.statusCode() == 200 ? Optional.of(answer.body()) : Optional.empty();
    }

    public int alive() throws IOException, InterruptedException {
        return send("POST", "/alive", "").statusCode();
    }

    public int log(String text) throws IOException, InterruptedException {
        return send("POST", "/log", text).statusCode();
    }

    public int end(String result) throws IOException, InterruptedException {
        return send("POST", "/result", result).statusCode();
    }
}
