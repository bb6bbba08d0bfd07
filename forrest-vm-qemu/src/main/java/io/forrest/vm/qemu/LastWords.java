package io.forrest.vm.qemu;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** What a program said before it ended. */
final class LastWords {
    private static final int MOST_BYTES = 2000;

    private LastWords() {}

    /** The end of a log, to be put behind other words after a colon; empty if it is empty or not there. */
    static String of(Path log) {
        return of(": ", log);
    }

    /** As the other {@code of}, with something else before it. */
    static String of(String before, Path log) {
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
            byte[] tail = new byte[(int) Math.min(file.length(), MOST_BYTES)];
            file.seek(file.length() - tail.length);
            file.readFully(tail);
            String words = new String(tail, StandardCharsets.UTF_8).strip().replaceAll("\\s*\\n\\s*", "; ");
            return words.isEmpty() ? "" : before + words;
        } catch (IOException e) {
            return "";
        }
    }
}
