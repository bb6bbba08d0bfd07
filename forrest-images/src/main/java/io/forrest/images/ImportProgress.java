package io.forrest.images;

import java.util.OptionalLong;

/** Is told how far an import is, often, from the thread that imports. */
public interface ImportProgress {
    /** What is being done. */
    enum Step {
        DOWNLOAD,
        COPY,
        CONVERT,
        CHECK
    }

    /** {@code doneBytes} of this step are done; {@code totalBytes} is empty if nobody knows how many there are. */
    void at(Step step, long doneBytes, OptionalLong totalBytes);
}
