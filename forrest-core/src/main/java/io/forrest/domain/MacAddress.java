package io.forrest.domain;

import java.util.HexFormat;

/** A locally administered unicast Ethernet address. */
public record MacAddress(long bits) {
    private static final long LOCAL = 0x02_00_00_00_00_00L;
    private static final long MULTICAST = 0x01_00_00_00_00_00L;

    public MacAddress {
        if (bits >>> 48 != 0 || (bits & LOCAL) == 0 || (bits & MULTICAST) != 0) {
            throw new IllegalArgumentException("not a locally administered unicast address: " + Long.toHexString(bits));
        }
    }

    /** Takes the lower 46 free bits from {@code random}. */
    public static MacAddress fromRandom(long random) {
        return new MacAddress((random & 0xfc_ff_ff_ff_ff_ffL) | LOCAL);
    }

    /** Reads what {@link #toString} writes. */
    public static MacAddress parse(String text) {
        return new MacAddress(HexFormat.fromHexDigitsToLong(text.replace(":", "")));
    }

    @Override
    public String toString() {
        byte[] bytes = new byte[6];
        for (int i = 0; i < 6; i++) {
            bytes[i] = (byte) (bits >>> (40 - 8 * i));
        }
        return HexFormat.ofDelimiter(":").formatHex(bytes);
    }
}
