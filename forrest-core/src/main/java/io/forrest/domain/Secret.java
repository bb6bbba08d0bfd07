package io.forrest.domain;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;

/** Bytes that no log, error message or printed configuration may show. Compares in constant time. */
public final class Secret {
    private final byte[] bytes;

    private Secret(byte[] bytes) {
        this.bytes = bytes;
    }

    public static Secret of(String text) {
        return new Secret(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Copies {@code bytes}. */
    public static Secret of(byte[] bytes) {
        return new Secret(bytes.clone());
    }

    /** The secret itself, as a copy. Keep it away from anything that prints. */
    public byte[] revealBytes() {
        return bytes.clone();
    }

    /** The secret itself. Keep it away from anything that prints. */
    public String reveal() {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Whether {@code candidate} is the same, in a time that tells nothing about where they differ. */
    public boolean matches(byte[] candidate) {
        return MessageDigest.isEqual(bytes, candidate);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Secret that && matches(that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return "<secret>";
    }
}
