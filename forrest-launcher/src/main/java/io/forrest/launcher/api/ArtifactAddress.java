package io.forrest.launcher.api;

import io.forrest.artifacts.ArtifactException;
import io.forrest.artifacts.ArtifactException.Kind;
import io.forrest.artifacts.ArtifactPath;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What {@code /artifact/<store>/<relative path>} means.
 *
 * @param path the relative path as it was sent, on which clients rely
 * @param artifact what it stands for
 */
record ArtifactAddress(String store, String path, ArtifactPath artifact) {
    private static final String SERVICE = "artifact";

    /** Between these, something further on could see a step. */
    private static final Pattern SEPARATORS = Pattern.compile("[/\\\\;]");

    /** Whether this is about artifacts at all. As with the reference, slashes before do not matter. */
    static boolean isOne(String rawPath) {
        String path = withoutSlashes(rawPath);
        return path.equals(SERVICE) || path.startsWith(SERVICE + "/");
    }

    /** Reads the path of a request, encoded as it came. Throws {@code BAD_PATH}. */
    static ArtifactAddress parse(String rawPath) throws ArtifactException {
        String rest = withoutSlashes(withoutSlashes(rawPath).substring(SERVICE.length()));
        int end = rest.indexOf('/');
        if (end < 0) {
            throw new ArtifactException(Kind.BAD_PATH, "An artifact's address is /artifact/<store>/<path>.");
        }
        String relative = rest.substring(end + 1);
        List<String> steps = new ArrayList<>();
        for (String step : relative.split("/", -1)) {
            // As with the reference, and as with nginx, two slashes are one.
            if (!step.isEmpty()) {
                steps.add(decoded(step));
            }
        }
        return new ArtifactAddress(decoded(rest.substring(0, end)), relative, ArtifactPath.of(steps));
    }

    private static String withoutSlashes(String path) {
        int begin = 0;
        while (begin < path.length() && path.charAt(begin) == '/') {
            begin++;
        }
        return path.substring(begin);
    }

    /**
     * Decodes a step once, which is what it stands for; but one in which something that decodes once more, or separates
     * otherwise, would find a way up is refused.
     */
    private static String decoded(String step) throws ArtifactException {
        String decoded = decodedOnce(step);
        for (String further = decoded; ; further = decodedOnce(further)) {
            if (Stream.of(SEPARATORS.split(further, -1)).anyMatch(part -> part.equals(".") || part.equals(".."))) {
                throw new ArtifactException(Kind.BAD_PATH, "No step of an artifact's path can be . or ..");
            }
            if (!mayBeEncoded(further)) {
                return decoded;
            }
        }
    }

    private static boolean mayBeEncoded(String text) {
        int percent = text.indexOf('%');
        while (percent >= 0) {
            if (digit(text, percent + 1) >= 0 && digit(text, percent + 2) >= 0) {
                return true;
            }
            percent = text.indexOf('%', percent + 1);
        }
        return false;
    }

    private static int digit(String text, int at) {
        return at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
    }

    /** What is no encoding stands for itself. */
    private static String decodedOnce(String text) throws ArtifactException {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream decoded = new ByteArrayOutputStream(encoded.length);
        for (int i = 0; i < encoded.length; i++) {
            int high = encoded[i] == '%' && i + 2 < encoded.length ? Character.digit(encoded[i + 1], 16) : -1;
            int low = high >= 0 ? Character.digit(encoded[i + 2], 16) : -1;
            if (low >= 0) {
                decoded.write(high << 4 | low);
                i += 2;
            } else {
                decoded.write(encoded[i]);
            }
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(decoded.toByteArray()))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ArtifactException(Kind.BAD_PATH, "An artifact's path is encoded in UTF-8.", e);
        }
    }
}
