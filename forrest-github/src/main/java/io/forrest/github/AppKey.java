package io.forrest.github;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.domain.HostProblem;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The App's private key. GitHub hands it out in PKCS#1 ({@code BEGIN RSA PRIVATE KEY}); PKCS#8 is what other tools make
 * of it.
 */
final class AppKey {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern PEM =
            Pattern.compile("-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END (?:RSA )?PRIVATE KEY-----");
    private static final long MOST_BYTES = 64 << 10;

    /** GitHub takes tokens of up to 10 minutes, and clocks differ. */
    private static final Duration LIFE = Duration.ofMinutes(9);

    private static final Duration CLOCK_SKEW = Duration.ofMinutes(1);

    /** Version 0 and the algorithm rsaEncryption, as PKCS#8 (RFC 5208) puts them before a PKCS#1 key. */
    private static final byte[] PKCS8_HEAD = {
        0x02,
        0x01,
        0x00,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x2a,
        (byte) 0x86,
        0x48,
        (byte) 0x86,
        (byte) 0xf7,
        0x0d,
        0x01,
        0x01,
        0x01,
        0x05,
        0x00
    };

    private static final byte SEQUENCE = 0x30;
    private static final byte OCTET_STRING = 0x04;

    private final PrivateKey key;

    private AppKey(PrivateKey key) {
        this.key = key;
    }

    /** Throws {@code BROKEN} with one line that names the file and what is wrong with it. */
    static AppKey read(Path file) throws BadKeyException {
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw bad(file, "is not a file");
            }
            if (Files.size(file) > MOST_BYTES) {
                throw bad(file, "is too large to be a key");
            }
            return parse(file, Files.readString(file, StandardCharsets.ISO_8859_1));
        } catch (NoSuchFileException e) {
            throw bad(file, "does not exist");
        } catch (AccessDeniedException e) {
            throw bad(file, "may not be read by " + System.getProperty("user.name"));
        } catch (IOException e) {
            throw bad(file, "cannot be read (" + e + ")");
        }
    }

    private static AppKey parse(Path file, String text) throws BadKeyException {
        Matcher matcher = PEM.matcher(text);
        if (text.contains("ENCRYPTED")) {
            throw bad(file, "is encrypted, and Forrest has no passphrase for it");
        }
        if (!matcher.find()) {
            throw bad(file, "holds no RSA private key in PEM");
        }
        try {
            byte[] der = Base64.getMimeDecoder().decode(matcher.group(2));
            boolean pkcs1 = matcher.group(1) != null;
            return new AppKey(
                    KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(pkcs1 ? wrap(der) : der)));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw bad(file, "holds a damaged key, or one that is not RSA");
        }
    }

    private static byte[] wrap(byte[] pkcs1) {
        byte[] key = element(OCTET_STRING, pkcs1);
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        content.writeBytes(PKCS8_HEAD);
        content.writeBytes(key);
        return element(SEQUENCE, content.toByteArray());
    }

    /** A DER element; lengths up to 64 KiB, which a key file cannot exceed. */
    private static byte[] element(byte tag, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        if (content.length >= 256) {
            out.write(0x82);
            out.write(content.length >> 8);
        } else if (content.length >= 128) {
            out.write(0x81);
        }
        out.write(content.length);
        out.writeBytes(content);
        return out.toByteArray();
    }

    private static BadKeyException bad(Path file, String what) {
        return new BadKeyException(new HostProblem(
                "github.jwt_key_file",
                file + " " + what + ".",
                "Make a private key in the settings of the GitHub App and put the file there."));
    }

    /** The file holds no key. */
    static final class BadKeyException extends PluginException {
        private final transient HostProblem problem;

        BadKeyException(HostProblem problem) {
            super(Kind.BROKEN, problem.toString());
            this.problem = problem;
        }

        HostProblem problem() {
            return problem;
        }
    }

    /** Whether it is the very same key. */
    boolean isSameAs(AppKey other) {
        return key.equals(other.key);
    }

    /** A JSON Web Token (RFC 7519, RS256) with which the App introduces itself. */
    Secret jsonWebToken(String appId, Instant now) {
        ObjectNode head = JSON.createObjectNode().put("alg", "RS256").put("typ", "JWT");
        ObjectNode claims = JSON.createObjectNode()
                .put("iat", now.minus(CLOCK_SKEW).getEpochSecond())
                .put("exp", now.plus(LIFE).getEpochSecond())
                .put("iss", appId);
        String signed = encode(head) + "." + encode(claims);
        try {
            Signature signature = Signature.getInstance("SHA256withRSA");
            signature.initSign(key);
            signature.update(signed.getBytes(StandardCharsets.US_ASCII));
            return Secret.of(signed + "." + encode(signature.sign()));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK signs with RSA", e);
        }
    }

    private static String encode(ObjectNode json) {
        return encode(json.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static String encode(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
