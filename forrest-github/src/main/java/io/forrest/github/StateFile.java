package io.forrest.github;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.files.AtomicFiles;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What has been seen of GitHub, over restarts: JSON in a file that is replaced as a whole, so that it is the old or the new
 * one after a crash. Nothing depends on it but what GitHub is asked for after a start, so a file that cannot be read or written
 * is no more than said. One thread at a time.
 */
final class StateFile {
    private static final Logger LOG = LoggerFactory.getLogger(StateFile.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int FORMAT = 1;

    private final Path file;
    private byte[] written = new byte[0];
    private boolean isBroken;

    StateFile(Path file) {
        this.file = file;
    }

    /** What was written last; missing if nothing was, or if it cannot be read. */
    JsonNode read() {
        try {
            JsonNode state = JSON.readTree(Files.readAllBytes(file));
            if (state.path("format").asInt() != FORMAT) {
                throw new IOException("it is not of format " + FORMAT);
            }
            return state;
        } catch (NoSuchFileException e) {
            return MissingNode.getInstance();
        } catch (IOException e) {
            LOG.warn("{} cannot be read: {}. GitHub is asked as at a first start.", file, e.getMessage());
            return MissingNode.getInstance();
        }
    }

    /** Does nothing if this is what was written last. {@code state} gets the number of its format. */
    void write(ObjectNode state) {
        byte[] bytes = state.put("format", FORMAT).toString().getBytes(StandardCharsets.UTF_8);
        if (Arrays.equals(bytes, written)) {
            return;
        }
        try {
            AtomicFiles.write(
                    file,
                    bytes,
                    AtomicFiles.Durability.HOST,
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            written = bytes;
            isBroken = false;
        } catch (ClosedByInterruptException e) {
            LOG.debug("Closed meanwhile: what was written before is as good.", e);
        } catch (IOException e) {
            if (!isBroken) {
                isBroken = true;
                LOG.warn("{} cannot be written: {}. After a restart GitHub is asked for more.", file, e.getMessage());
            }
        }
    }
}
