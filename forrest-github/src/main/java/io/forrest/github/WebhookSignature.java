package io.forrest.github;

import io.forrest.domain.Secret;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The header {@code X-Hub-Signature-256}: {@code sha256=} and the HMAC-SHA256 of the body in hexadecimal digits. */
final class WebhookSignature {
    private WebhookSignature() {}

    /** Compares in constant time. With an empty secret nothing matches: anybody could sign. */
    static boolean matches(Secret secret, byte[] body, String header) {
        if (secret.revealBytes().length == 0) {
            return false;
        }
        byte[] expected =
                ("sha256=" + HexFormat.of().formatHex(hmac(secret, body))).getBytes(StandardCharsets.US_ASCII);
        return MessageDigest.isEqual(expected, header.toLowerCase(Locale.ROOT).getBytes(StandardCharsets.ISO_8859_1));
    }

    private static byte[] hmac(Secret secret, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.revealBytes(), "HmacSHA256"));
            return mac.doFinal(body);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HmacSHA256", e);
        }
    }
}
