package io.forrest.github.embedded;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;
import java.util.function.Supplier;

/** Checks the JSON Web Tokens of the App, as GitHub's page "Generating a JSON Web Token (JWT) for a GitHub App" has them. */
final class AppTokenCheck {
    private static final String UNDECODABLE = "A JSON web token could not be decoded";
    private static final Duration LONGEST_LIFE = Duration.ofMinutes(10);

    private final String appId;
    private final Supplier<PublicKey> key;
    private final Clock clock;

    AppTokenCheck(String appId, Supplier<PublicKey> key, Clock clock) {
        this.appId = appId;
        this.key = key;
        this.clock = clock;
    }

    /** What is wrong with the token, in GitHub's words; empty if it is good. */
    Optional<String> refusal(String token) {
        int first = token.indexOf('.');
        int second = token.lastIndexOf('.');
        if (first < 0 || first == second) {
            return Optional.of(UNDECODABLE);
        }
        try {
            Base64.Decoder decoder = Base64.getUrlDecoder();
            JsonNode head = Documents.JSON.readTree(decoder.decode(token.substring(0, first)));
            JsonNode claims = Documents.JSON.readTree(decoder.decode(token.substring(first + 1, second)));
            Signature signature = Signature.getInstance("SHA256withRSA");
            signature.initVerify(key.get());
            signature.update(token.substring(0, second).getBytes(StandardCharsets.US_ASCII));
            if (!head.path("alg").asText().equals("RS256")
                    || !signature.verify(decoder.decode(token.substring(second + 1)))) {
                return Optional.of(UNDECODABLE);
            }
            return claimRefusal(claims);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            return Optional.of(UNDECODABLE);
        }
    }

    private Optional<String> claimRefusal(JsonNode claims) {
        long nowSeconds = clock.instant().getEpochSecond();
        JsonNode issuedAt = claims.path("iat");
        JsonNode expiry = claims.path("exp");
        if (!claims.path("iss").asText().equals(appId)) {
            // There is no other App whose key it could have been signed with.
            return Optional.of(UNDECODABLE);
        }
        if (!issuedAt.isIntegralNumber() || issuedAt.asLong() > nowSeconds) {
            return Optional.of("'Issued at' claim ('iat') must be an Integer representing the time that the assertion"
                    + " was issued");
        }
        if (!expiry.isNumber() || expiry.asLong() <= nowSeconds) {
            return Optional.of("'Expiration time' claim ('exp') must be a numeric value representing the future time at"
                    + " which the assertion expires");
        }
        return expiry.asLong() > nowSeconds + LONGEST_LIFE.toSeconds()
                ? Optional.of("'Expiration time' claim ('exp') is too far in the future")
                : Optional.empty();
    }
}
