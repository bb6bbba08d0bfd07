package io.forrest.images;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.Provenance;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * What is written beside a generation: where it comes from, which never changes, and what became of it. Immutable.
 *
 * <p>Fields that this version does not know are kept. A record of a later format is believed in nothing and never written
 * over; one that is missing or damaged is believed in nothing, and made anew when there is something to write.
 */
final class GenerationRecord {
    static final int VERSION = 1;
    static final String JOB = "job";
    static final String FOUND = "found in place";

    private static final String PACKED_EXTENTS = "packedExtents";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectWriter WRITER = JSON.writerWithDefaultPrettyPrinter();

    private final ObjectNode fields;
    private final Optional<String> problem;
    private final boolean foreign;

    private GenerationRecord(ObjectNode fields, Optional<String> problem, boolean foreign) {
        this.fields = fields;
        this.problem = problem;
        this.foreign = foreign;
    }

    /** The record of a generation that comes from {@code source}, and has not been the machine image yet. */
    static GenerationRecord of(String source, Instant madeAt, long size) {
        return new GenerationRecord(blank(source), Optional.empty(), false)
                .with("madeAt", madeAt.toString())
                .with("size", size);
    }

    /** The record of a promoted disk. */
    static GenerationRecord of(Provenance provenance, Instant madeAt, long size) {
        GenerationRecord record = of(JOB, madeAt, size);
        ObjectNode fields = record.fields;
        fields.put("machine", provenance.machine().runnerName());
        fields.put("endedAt", provenance.endedAt().toString());
        provenance.job().ifPresent(job -> {
            fields.put("repository", job.repository().toString());
            fields.put("job", job.job().value());
            fields.put("workflowRun", job.workflowRunId());
            job.commit().ifPresent(commit -> fields.put("commit", commit));
        });
        provenance.origin().ifPresent(origin -> fields.put("parent", parent(origin)));
        return record;
    }

    private static String parent(DiskOrigin origin) {
        return GenerationId.parse(origin.version()).isPresent()
                ? origin.version()
                : origin.image().toString();
    }

    /** The record of an image that was found in the machine image's place, last modified at {@code modified}. */
    static GenerationRecord ofFound(Instant modified, Instant madeAt, long size) {
        return of(FOUND, madeAt, size).with("modified", modified.toString()).withPublished(true);
    }

    private static ObjectNode blank(String source) {
        return JSON.createObjectNode().put("version", VERSION).put("source", source);
    }

    static GenerationRecord read(Path file) throws IOException {
        JsonNode tree;
        try {
            tree = JSON.readTree(Files.readString(file));
        } catch (NoSuchFileException e) {
            return damaged("it has no record " + file);
        } catch (JsonProcessingException e) {
            return damaged("its record " + file + " is damaged: " + e.getOriginalMessage());
        } catch (CharacterCodingException e) {
            return damaged("its record " + file + " is damaged: it is no text");
        }
        if (!(tree instanceof ObjectNode fields) || !fields.path("version").isInt()) {
            return damaged("its record " + file + " is damaged: it tells no version");
        }
        int version = fields.path("version").intValue();
        if (version != VERSION) {
            return new GenerationRecord(
                    blank("unknown"),
                    Optional.of("its record " + file + " has the format " + version
                            + ", which this version of Forrest does not know"),
                    true);
        }
        GenerationRecord record = new GenerationRecord(fields, Optional.empty(), false);
        try {
            record.check();
            return record;
        } catch (IllegalArgumentException | DateTimeException e) {
            return damaged("its record " + file + " is damaged: " + e.getMessage());
        }
    }

    private static GenerationRecord damaged(String problem) {
        return new GenerationRecord(blank("unknown"), Optional.of(problem), false);
    }

    /** Reads every field once, so that later nobody stumbles over one. */
    private void check() {
        if (!fields.path("source").isTextual() || !fields.path("madeAt").isTextual()) {
            throw new IllegalArgumentException("it does not tell source and madeAt");
        }
        madeAt();
        setAside();
        number("job");
        number("workflowRun");
        number(PACKED_EXTENTS);
        for (String name : new String[] {"machine", "repository", "commit", "parent", "modified"}) {
            text(name);
        }
        for (String name : new String[] {"published", "proven", "pinned"}) {
            flag(name);
        }
    }

    byte[] toBytes() throws IOException {
        return (WRITER.writeValueAsString(fields) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Why it is not to be believed, if so. */
    Optional<String> problem() {
        return problem;
    }

    /** Whether it says things that this version cannot read, and must not write over. */
    boolean isForeign() {
        return foreign;
    }

    String source() {
        return fields.path("source").textValue();
    }

    Optional<Instant> madeAt() {
        return text("madeAt").map(Instant::parse);
    }

    Optional<String> machine() {
        return text("machine");
    }

    Optional<String> text(String name) {
        JsonNode value = fields.path(name);
        if (value.isMissingNode()) {
            return Optional.empty();
        }
        if (!value.isTextual()) {
            throw new IllegalArgumentException(name + " is no text");
        }
        return Optional.of(value.textValue());
    }

    OptionalLong number(String name) {
        JsonNode value = fields.path(name);
        if (value.isMissingNode()) {
            return OptionalLong.empty();
        }
        if (!value.canConvertToLong() || !value.isIntegralNumber()) {
            throw new IllegalArgumentException(name + " is no whole number");
        }
        return OptionalLong.of(value.longValue());
    }

    private boolean flag(String name) {
        JsonNode value = fields.path(name);
        if (!value.isMissingNode() && !value.isBoolean()) {
            throw new IllegalArgumentException(name + " is neither true nor false");
        }
        return value.booleanValue();
    }

    /** Whether it was found in the machine image's place when that was last modified at {@code modified}. */
    boolean isFound(Instant modified, long size) {
        return text("modified").equals(Optional.of(modified.toString()))
                && number("size").equals(OptionalLong.of(size));
    }

    /** Whether it has been the machine image since it was made, or made good again. */
    boolean published() {
        return flag("published");
    }

    boolean proven() {
        return flag("proven");
    }

    boolean pinned() {
        return flag("pinned");
    }

    Optional<Generation.SetAside> setAside() {
        JsonNode value = fields.path("setAside");
        if (value.isMissingNode()) {
            return Optional.empty();
        }
        JsonNode time = value.path("time");
        if (!value.path("reason").isTextual()
                || !time.isTextual()
                || !value.path("byHand").isBoolean()) {
            throw new IllegalArgumentException("setAside does not tell reason, time and byHand");
        }
        return Optional.of(new Generation.SetAside(
                value.path("reason").textValue(),
                Instant.parse(time.textValue()),
                value.path("byHand").booleanValue()));
    }

    GenerationRecord withPublished(boolean value) {
        return with("published", value);
    }

    GenerationRecord withProven() {
        return with("proven", true);
    }

    GenerationRecord withPinned(boolean value) {
        return with("pinned", value);
    }

    GenerationRecord withSetAside(Generation.SetAside value) {
        ObjectNode setAside = JSON.createObjectNode()
                .put("reason", value.reason())
                .put("time", value.time().toString())
                .put("byHand", value.byHand());
        return changed(copy -> copy.set("setAside", setAside));
    }

    GenerationRecord withoutSetAside() {
        return changed(copy -> copy.remove("setAside"));
    }

    /** For one that is not to be believed: what is known anyway. */
    GenerationRecord withSize(Instant madeAt, long size) {
        return with("madeAt", madeAt.toString()).with("size", size);
    }

    /** How many extents the image had when it was last re-packed; 0 if it never was. */
    long packedExtents() {
        return number(PACKED_EXTENTS).orElse(0);
    }

    GenerationRecord withPackedExtents(long extents) {
        return with(PACKED_EXTENTS, extents);
    }

    private GenerationRecord with(String name, String value) {
        return changed(copy -> copy.put(name, value));
    }

    private GenerationRecord with(String name, long value) {
        return changed(copy -> copy.put(name, value));
    }

    private GenerationRecord with(String name, boolean value) {
        return changed(copy -> copy.put(name, value));
    }

    private GenerationRecord changed(Consumer<ObjectNode> change) {
        ObjectNode copy = fields.deepCopy();
        change.accept(copy);
        return new GenerationRecord(copy, problem, foreign);
    }
}
