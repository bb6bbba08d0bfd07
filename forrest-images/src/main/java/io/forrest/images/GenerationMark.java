package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Says, in an extended attribute of a machine image, which generation it is, so that the image and the word for it are
 * renamed as one. With the time of its last modification it also tells an image that somebody changed in place.
 */
record GenerationMark(GenerationId generation, Instant modified) {
    /** {@code user.forrest.generation} to the kernel. */
    private static final String ATTRIBUTE = "forrest.generation";

    private static final Pattern TEXT = Pattern.compile("(\\S+) (\\S+)");

    /** What was written on {@code image}, if anything that can be read was. */
    static Optional<GenerationMark> read(Path image) throws IOException {
        UserDefinedFileAttributeView view = view(image);
        if (!view.list().contains(ATTRIBUTE)) {
            return Optional.empty();
        }
        ByteBuffer bytes = ByteBuffer.allocate(view.size(ATTRIBUTE));
        view.read(ATTRIBUTE, bytes);
        Matcher matcher = TEXT.matcher(new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8));
        if (!matcher.matches()) {
            return Optional.empty();
        }
        try {
            Instant modified = Instant.parse(matcher.group(2));
            return GenerationId.parse(matcher.group(1)).map(id -> new GenerationMark(id, modified));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    /** Whether {@code image} is what this was written on: the type's own, and not changed since. */
    boolean fits(MachineTypeId type, Path image) throws IOException {
        return generation.type().equals(type) && modified.equals(modified(image));
    }

    /** Writes it on {@code image}, whose content and time of modification stay. */
    void write(Path image) throws IOException {
        view(image).write(ATTRIBUTE, ByteBuffer.wrap((generation + " " + modified).getBytes(StandardCharsets.UTF_8)));
    }

    static Instant modified(Path image) throws IOException {
        FileTime time = Files.getLastModifiedTime(image);
        return time.toInstant();
    }

    private static UserDefinedFileAttributeView view(Path image) throws IOException {
        UserDefinedFileAttributeView view = Files.getFileAttributeView(image, UserDefinedFileAttributeView.class);
        if (view == null) {
            throw new IOException("the file system of " + image + " has no extended attributes");
        }
        return view;
    }
}
