package io.forrest.images;

import io.forrest.domain.DataSize;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A generation of a machine type's image, as it was when it was looked at.
 *
 * @param image its file; nobody writes into it
 * @param size as large as the guest thinks its disk is
 * @param current whether it is the machine image
 * @param madeAt when it was added; empty if its record does not tell
 * @param source where it comes from, for people: {@code job}, {@code found in place}, {@code imported from ...}
 * @param machine the machine whose disk it was
 * @param repository of the job, as the forge spells it
 * @param job the job that asked for it
 * @param workflowRun the job's
 * @param commit the job's, if it was known
 * @param parent what its machine's disk was cloned from: a {@link GenerationId}, or a base image's path
 * @param proven whether a machine came up from it
 * @param pinned whether it stays whatever the retention says
 * @param setAside why it is not to be the machine image, if so
 * @param problem what is wrong with its record, if anything; then only what the file itself tells is known, it is never
 *     removed by retention, and never made the machine image unless somebody asks for it
 */
public record Generation(
        GenerationId id,
        Path image,
        DataSize size,
        boolean current,
        Optional<Instant> madeAt,
        String source,
        Optional<String> machine,
        Optional<String> repository,
        OptionalLong job,
        OptionalLong workflowRun,
        Optional<String> commit,
        Optional<String> parent,
        boolean proven,
        boolean pinned,
        Optional<SetAside> setAside,
        Optional<String> problem) {
    public Generation {
        Objects.requireNonNull(id);
        Objects.requireNonNull(image);
        Objects.requireNonNull(size);
        Objects.requireNonNull(madeAt);
        Objects.requireNonNull(source);
        Objects.requireNonNull(machine);
        Objects.requireNonNull(repository);
        Objects.requireNonNull(job);
        Objects.requireNonNull(workflowRun);
        Objects.requireNonNull(commit);
        Objects.requireNonNull(parent);
        Objects.requireNonNull(setAside);
        Objects.requireNonNull(problem);
    }

    /**
     * Why a generation is not to be the machine image.
     *
     * @param byHand whether somebody decided it, as opposed to Forrest; it is Forrest's to take back only what it did
     */
    public record SetAside(String reason, Instant time, boolean byHand) {
        public SetAside {
            Objects.requireNonNull(reason);
            Objects.requireNonNull(time);
        }
    }

    /** Whether it can be the machine image without anybody asking for it. */
    public boolean good() {
        return current || (problem.isEmpty() && setAside.isEmpty());
    }
}
