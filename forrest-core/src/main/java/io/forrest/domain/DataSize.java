package io.forrest.domain;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A number of bytes, never negative. Written as a whole number and one of {@code B K M G T}, powers of 1024. */
public record DataSize(long bytes) implements Comparable<DataSize> {
    public static final DataSize ZERO = new DataSize(0);

    private static final Pattern TEXT = Pattern.compile("([0-9]{1,18})([BKMGT])");
    private static final String UNITS = "BKMGT";

    public DataSize {
        if (bytes < 0) {
            throw new IllegalArgumentException("a size cannot be negative: " + bytes);
        }
    }

    public static DataSize ofMebibytes(long mebibytes) {
        return new DataSize(Math.multiplyExact(mebibytes, 1L << 20));
    }

    public static DataSize ofGibibytes(long gibibytes) {
        return new DataSize(Math.multiplyExact(gibibytes, 1L << 30));
    }

    /** Reads e.g. {@code 32G}; throws {@link IllegalArgumentException} that says what is wrong and how to write it. */
    public static DataSize parse(String text) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("\"" + text
                    + "\" is not a size. Write a whole number and one of B K M G T (powers of 1024), e.g. 32G.");
        }
        int power = UNITS.indexOf(matcher.group(2));
        try {
            return new DataSize(Math.multiplyExact(Long.parseLong(matcher.group(1)), 1L << (10 * power)));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("\"" + text + "\" is more than any disk or memory holds (8 EiB).", e);
        }
    }

    public DataSize plus(DataSize that) {
        return new DataSize(Math.addExact(bytes, that.bytes));
    }

    /** Throws {@link IllegalArgumentException} if {@code that} is larger. */
    public DataSize minus(DataSize that) {
        return new DataSize(bytes - that.bytes);
    }

    public long toMebibytes() {
        return bytes >> 20;
    }

    @Override
    public int compareTo(DataSize that) {
        return Long.compare(bytes, that.bytes);
    }

    /** Rounded down to a tenth of its unit, e.g. {@code 3.2G}; for people. */
    public String rounded() {
        int power = 0;
        while (power < UNITS.length() - 1 && bytes >> (10 * (power + 1)) != 0) {
            power++;
        }
        long unit = 1L << (10 * power);
        long tenths = bytes % unit * 10 / unit;
        return bytes / unit + (tenths == 0 ? "" : "." + tenths) + UNITS.charAt(power);
    }

    /** The shortest exact form, which {@link #parse} reads back. */
    @Override
    public String toString() {
        int power = 0;
        long count = bytes;
        while (count != 0 && count % 1024 == 0 && power < UNITS.length() - 1) {
            count /= 1024;
            power++;
        }
        return count + UNITS.substring(power, power + 1);
    }
}
