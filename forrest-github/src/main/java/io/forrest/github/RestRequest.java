package io.forrest.github;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URL;
import java.util.List;
import java.util.Map;
import org.kohsuke.github.connector.GitHubConnectorRequest;

/** A request of our own, for the calls that the client library lacks. */
final class RestRequest implements GitHubConnectorRequest {
    private final String method;
    private final URL url;
    private final String authorization;
    private final byte[] json;

    /** {@code json} is empty for a request without a body. */
    RestRequest(String method, URL url, String authorization, byte[] json) {
        this.method = method;
        this.url = url;
        this.authorization = authorization;
        this.json = json;
    }

    @Override
    public String method() {
        return method;
    }

    @Override
    public URL url() {
        return url;
    }

    @Override
    public Map<String, List<String>> allHeaders() {
        return Map.of("Authorization", List.of(authorization), "Accept", List.of("application/vnd.github+json"));
    }

    @Override
    public String header(String name) {
        return allHeaders().entrySet().stream()
                .filter(header -> header.getKey().equalsIgnoreCase(name))
                .map(header -> header.getValue().get(0))
                .findFirst()
                .orElse(null);
    }

    @Override
    public String contentType() {
        return "application/json";
    }

    @Override
    public InputStream body() {
        return new ByteArrayInputStream(json);
    }

    @Override
    public boolean hasBody() {
        return json.length > 0;
    }
}
