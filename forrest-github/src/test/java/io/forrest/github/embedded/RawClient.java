package io.forrest.github.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Speaks plain HTTP with the embedded GitHub, and holds every answer against GitHub's description. */
final class RawClient {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();
    private final EmbeddedGitHub github;
    private final Clock clock;
    private final PrivateKey key;

    RawClient(EmbeddedGitHub github, Clock clock) throws IOException, GeneralSecurityException {
        this.github = github;
        this.clock = clock;
        Path directory = Files.createTempDirectory("forrest-key");
        Path file = directory.resolve("key.pem");
        github.writeKey(file);
        String pem = Files.readString(file).replaceAll("-----[A-Z ]+-----", "");
        this.key = KeyFactory.getInstance("RSA")
                .generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
        Files.delete(file);
        Files.delete(directory);
    }

    record Reply(int status, JsonNode body, Map<String, List<String>> headers) {
        Optional<String> header(String name) {
            return headers.entrySet().stream()
                    .filter(header -> header.getKey().equalsIgnoreCase(name))
                    .map(header -> header.getValue().get(0))
                    .findFirst();
        }

        int number(String name) {
            return Integer.parseInt(header(name).orElseThrow());
        }

        String message() {
            return body.path("message").asText();
        }
    }

    /** Claims as they should be. */
    ObjectNode claims() {
        long nowSeconds = clock.instant().getEpochSecond();
        return JSON.createObjectNode()
                .put("iat", nowSeconds - 60)
                .put("exp", nowSeconds + 540)
                .put("iss", github.appId());
    }

    String appToken() throws GeneralSecurityException {
        return sign(claims());
    }

    String sign(ObjectNode claims) throws GeneralSecurityException {
        return sign("RS256", claims, key);
    }

    static String sign(String algorithm, ObjectNode claims, PrivateKey key) throws GeneralSecurityException {
        String signed = base64(JSON.createObjectNode().put("alg", algorithm).put("typ", "JWT")) + "." + base64(claims);
        Signature signature = Signature.getInstance("SHA256withRSA");
        signature.initSign(key);
        signature.update(signed.getBytes(StandardCharsets.US_ASCII));
        return signed + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(signature.sign());
    }

    static String base64(ObjectNode json) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(json.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** A token of the installation that has {@code repository}, asked for as GitHub wants it. */
    String installationToken(RepositoryId repository) throws Exception {
        Reply installation = call("GET", "/repos/" + repository + "/installation", appToken(), "");
        assertThat(installation.status()).isEqualTo(200);
        int id = installation.body().path("id").intValue();
        Reply token = call("POST", "/app/installations/" + id + "/access_tokens", appToken(), "");
        assertThat(token.status()).isEqualTo(201);
        return token.body().path("token").textValue();
    }

    Reply get(String call, String token) throws IOException, InterruptedException {
        return call("GET", call, token, "");
    }

    /** {@code call} is a path, or an address from a {@code Link}. {@code headers} are names and values in turn. */
    Reply call(String method, String call, String token, String body, String... headers)
            throws IOException, InterruptedException {
        URI address = URI.create(call.startsWith("/") ? github.apiUrl() + call : call);
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
                .timeout(Duration.ofSeconds(30))
                .header("Authorization", "Bearer " + token)
                .header("User-Agent", "test")
                .method(method, HttpRequest.BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        HttpResponse<String> response = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        JsonNode answer = response.body().isEmpty() ? MissingNode.getInstance() : JSON.readTree(response.body());
        if (response.statusCode() != 204 && response.statusCode() != 304) {
            assertThat(GitHubSchemas.answerProblems(method, address.getRawPath(), response.statusCode(), answer))
                    .as("%s %s: %s %s", method, call, response.statusCode(), answer)
                    .isEmpty();
        }
        return new Reply(response.statusCode(), answer, response.headers().map());
    }

    /** A body for {@code generate-jitconfig}. */
    static ObjectNode jitRequest(String name, String... labels) {
        ObjectNode request = JSON.createObjectNode().put("name", name).put("runner_group_id", 1);
        List.of(labels).forEach(request.putArray("labels")::add);
        return request;
    }

    Reply register(RepositoryId repository, String token, ObjectNode request) throws IOException, InterruptedException {
        return call(
                "POST",
                "/repos/" + repository + "/actions/runners/generate-jitconfig",
                token,
                request.toString(),
                "Content-Type",
                "application/json");
    }
}
