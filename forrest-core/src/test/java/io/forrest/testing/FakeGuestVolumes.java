package io.forrest.testing;

import io.forrest.spi.GuestVolumes;
import io.forrest.spi.PluginException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Volumes in a format of their own, one file of at most 1 MiB each, that fake guests can write to. Thread-safe.
 *
 * <p>The format: a magic number, the label, the number of files, and for each its name, length and bytes; a length of -1
 * stands for a directory.
 */
public final class FakeGuestVolumes implements GuestVolumes {
    private static final int MAGIC = 0xFA4E_0001;
    private static final int MOST_BYTES = 1 << 20;
    private static final int DIRECTORY = -1;
    private static final Pattern LABEL = Pattern.compile("[A-Z0-9_-]{1,11}");
    private static final Pattern NAME = Pattern.compile("[^/\\x00]{1,255}");

    private final CallHooks<Call> hooks = new CallHooks<>(Call.class);

    /** What can be asked of it. */
    public enum Call {
        WRITE,
        READ
    }

    /** What a volume holds; a directory has no content. */
    private record Content(String label, Map<String, Optional<byte[]>> files) {}

    /** What comes before its calls. */
    public CallHooks<Call> hooks() {
        return hooks;
    }

    @Override
    public void write(Path volume, String label, Map<String, byte[]> files) throws PluginException {
        hooks.enter(Call.WRITE);
        if (!LABEL.matcher(label).matches()) {
            throw rejected("\"" + label + "\" is no label for a volume.");
        }
        Content content = new Content(label, new TreeMap<>());
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            if (!NAME.matcher(file.getKey()).matches()) {
                throw rejected("\"" + file.getKey() + "\" is no name for a file.");
            }
            content.files().put(file.getKey(), Optional.of(file.getValue()));
        }
        try {
            byte[] bytes = encode(content);
            if (bytes.length > MOST_BYTES) {
                throw rejected("The files for " + volume + " do not fit into 1 MiB.");
            }
            Files.write(volume, bytes);
        } catch (IOException e) {
            throw broken(volume, e);
        }
    }

    @Override
    public Optional<byte[]> read(Path volume, String name, int maxBytes) throws PluginException {
        hooks.enter(Call.READ);
        byte[] bytes;
        try (InputStream in = Files.newInputStream(volume)) {
            bytes = in.readNBytes(MOST_BYTES + 1);
        } catch (IOException e) {
            throw broken(volume, e);
        }
        String wanted = name.toLowerCase(Locale.ROOT);
        return decode(bytes).flatMap(content -> content.files().entrySet().stream()
                .filter(file -> file.getKey().toLowerCase(Locale.ROOT).equals(wanted))
                .findFirst()
                .flatMap(Map.Entry::getValue)
                .filter(file -> file.length <= maxBytes));
    }

    /** For guests: writes a file to a sound volume, or overwrites it. It may be larger than a real volume. */
    public static void put(Path volume, String name, byte[] content) throws IOException {
        change(volume, name, Optional.of(content));
    }

    /** For guests: makes a directory on a sound volume. */
    public static void putDirectory(Path volume, String name) throws IOException {
        change(volume, name, Optional.empty());
    }

    private static void change(Path volume, String name, Optional<byte[]> content) throws IOException {
        Content found = sound(volume);
        found.files().put(name, content);
        Files.write(volume, encode(found));
    }

    /** For guests and tests: the files of a sound volume by their names. */
    public static Map<String, byte[]> files(Path volume) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        sound(volume).files().forEach((name, content) -> content.ifPresent(bytes -> files.put(name, bytes)));
        return files;
    }

    /** For guests and tests: the label of a sound volume. */
    public static String label(Path volume) throws IOException {
        return sound(volume).label();
    }

    private static Content sound(Path volume) throws IOException {
        return decode(Files.readAllBytes(volume))
                .orElseThrow(() -> new IOException(volume + " is damaged or no fake volume"));
    }

    private static byte[] encode(Content content) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(MAGIC);
        out.writeUTF(content.label());
        out.writeInt(content.files().size());
        for (Map.Entry<String, Optional<byte[]>> file : content.files().entrySet()) {
            out.writeUTF(file.getKey());
            out.writeInt(file.getValue().map(found -> found.length).orElse(DIRECTORY));
            out.write(file.getValue().orElse(new byte[0]));
        }
        return bytes.toByteArray();
    }

    /** Empty for whatever {@link #encode} did not write. */
    private static Optional<Content> decode(byte[] bytes) {
        try {
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
            if (in.readInt() != MAGIC) {
                return Optional.empty();
            }
            Content content = new Content(in.readUTF(), new TreeMap<>());
            int count = in.readInt();
            for (int i = 0; i < count; i++) {
                String name = in.readUTF();
                int length = in.readInt();
                if (length == DIRECTORY) {
                    content.files().put(name, Optional.empty());
                } else if (length < 0 || length > in.available()) {
                    return Optional.empty();
                } else {
                    content.files().put(name, Optional.of(in.readNBytes(length)));
                }
            }
            return Optional.of(content);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static PluginException rejected(String message) {
        return new PluginException(PluginException.Kind.REJECTED, message);
    }

    private static PluginException broken(Path volume, IOException e) {
        return new PluginException(
                PluginException.Kind.BROKEN, "The volume " + volume + " cannot be written or read: " + e, e);
    }
}
