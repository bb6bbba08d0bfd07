package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Holds bodies against GitHub's OpenAPI description and webhook schema.
 *
 * <p>OpenAPI 3.0 is not quite JSON schema: {@code nullable} is rewritten. It also lets objects have fields that it does not
 * know; here they may not, so that a misspelled one is noticed.
 */
public final class GitHubSchemas {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonSchemaFactory FACTORY = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V7);
    private static final SchemaValidatorsConfig CONFIG =
            SchemaValidatorsConfig.builder().formatAssertionsEnabled(true).build();
    private static final ObjectNode OPENAPI = (ObjectNode) rewritten(read("rest-openapi.json"));
    private static final ObjectNode WEBHOOKS = read("webhook-schema.json");
    private static final Map<String, JsonSchema> SCHEMAS = new ConcurrentHashMap<>();

    private GitHubSchemas() {}

    private static ObjectNode read(String name) {
        try (InputStream in = GitHubSchemas.class.getResourceAsStream("/github/" + name)) {
            return (ObjectNode) JSON.readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JsonNode rewritten(JsonNode node) {
        if (node instanceof ArrayNode array) {
            ArrayNode copy = JSON.createArrayNode();
            array.forEach(item -> copy.add(rewritten(item)));
            return copy;
        }
        if (!(node instanceof ObjectNode)) {
            return node;
        }
        ObjectNode copy = JSON.createObjectNode();
        node.properties().forEach(field -> copy.set(field.getKey(), rewritten(field.getValue())));
        if (copy.path("properties").isObject()
                && copy.path("type").asText().equals("object")
                && !copy.has("additionalProperties")) {
            copy.put("additionalProperties", false);
        }
        if (!copy.path("nullable").isBoolean()) {
            return copy;
        }
        boolean nullable = copy.remove("nullable").asBoolean();
        if (!nullable) {
            return copy;
        }
        ObjectNode either = JSON.createObjectNode();
        either.putArray("anyOf")
                .add(JSON.createObjectNode().put("type", "null"))
                .add(copy);
        return either;
    }

    /** What is wrong with an answer; {@code call} is a path with or without its query. */
    public static List<String> answerProblems(String method, String call, int status, JsonNode body) {
        String pointer = pointer(method, call) + "/responses/" + status;
        if (status >= 400 && at(pointer).isMissingNode()) {
            // GitHub documents this form once for all calls.
            return problems("#/components/schemas/basic-error", body);
        }
        return problems(schemaOf(pointer), body);
    }

    /** What is wrong with the body of a request. */
    public static List<String> requestProblems(String method, String call, JsonNode body) {
        return problems(schemaOf(pointer(method, call) + "/requestBody"), body);
    }

    /** What is wrong with the body of a webhook {@code workflow_job}. */
    public static List<String> webhookProblems(JsonNode event) {
        String name = "workflow_job$" + event.path("action").asText();
        if (!WEBHOOKS.path("definitions").has(name)) {
            throw new AssertionError("there is no webhook " + name);
        }
        ObjectNode schema = WEBHOOKS.deepCopy().put("$ref", "#/definitions/" + name);
        return validate(SCHEMAS.computeIfAbsent(name, any -> FACTORY.getSchema(schema, CONFIG)), event);
    }

    /** The template of a call, e.g. {@code /repos/{owner}/{repo}}: the one with the fewest parameters. */
    private static String template(String call) {
        String path = call.replaceFirst("\\?.*", "").replaceFirst("^/repositories/\\d+", "/repos/o/r");
        return OPENAPI.path("paths").properties().stream()
                .map(Map.Entry::getKey)
                .filter(template -> path.matches(template.replaceAll("\\{[a-z_]+}", "[^/]+")))
                .min(Comparator.comparingInt(template -> template.split("\\{", -1).length))
                .orElseThrow(() -> new AssertionError("GitHub's description, as it is cut down here, lacks " + call));
    }

    private static JsonNode at(String pointer) {
        return OPENAPI.at(pointer.substring(1));
    }

    private static String pointer(String method, String call) {
        return "#/paths/" + template(call).replace("/", "~1") + "/" + method.toLowerCase(Locale.ROOT);
    }

    /** The schema of a response or request body, which may itself be a reference to another. */
    private static String schemaOf(String pointer) {
        String target = at(pointer).path("$ref").asText(pointer);
        String schema = target + "/content/application~1json/schema";
        if (at(schema).isMissingNode()) {
            throw new AssertionError("GitHub's description has no body for " + pointer);
        }
        return schema;
    }

    private static List<String> problems(String pointer, JsonNode body) {
        JsonSchema schema = SCHEMAS.computeIfAbsent(
                pointer, any -> FACTORY.getSchema(OPENAPI.deepCopy().put("$ref", encoded(pointer)), CONFIG));
        return validate(schema, body);
    }

    /** A pointer within an address. */
    private static String encoded(String pointer) {
        return pointer.replace("{", "%7B").replace("}", "%7D");
    }

    private static List<String> validate(JsonSchema schema, JsonNode body) {
        return schema.validate(body).stream().map(ValidationMessage::getMessage).toList();
    }
}
