package io.forrest.config;

import java.util.regex.Pattern;

/** How what stands in a file is shown in messages: on one line, short, and unable to disturb a terminal or a log. */
final class Display {
    private static final int MOST_CHARACTERS = 80;
    private static final Pattern PLAIN_KEY = Pattern.compile("[A-Za-z0-9._<>/-]{1,100}");

    private Display() {}

    /** A key as part of a path. */
    static String key(String key) {
        return PLAIN_KEY.matcher(key).matches() ? key : quoted(key);
    }

    /** {@code text} between quotes. */
    static String quoted(String text) {
        return '"' + clean(text) + '"';
    }

    /** {@code text} without control characters and without what would make it long. */
    static String clean(String text) {
        StringBuilder shown = new StringBuilder();
        text.codePoints().limit(MOST_CHARACTERS).forEach(character -> {
            if (character == '\n') {
                shown.append("\\n");
            } else if (isHarmless(character)) {
                shown.appendCodePoint(character);
            } else {
                shown.append(String.format("\\u%04x", character));
            }
        });
        if (text.codePointCount(0, text.length()) > MOST_CHARACTERS) {
            shown.append("...");
        }
        return shown.toString();
    }

    /** Letters, digits, marks, punctuation, symbols and the plain space, but nothing that moves or hides others. */
    static boolean isHarmless(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }
}
