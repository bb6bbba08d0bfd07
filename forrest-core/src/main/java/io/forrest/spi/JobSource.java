package io.forrest.spi;

/** Where jobs come from: webhooks, polling, a queue. Thread-safe. */
public interface JobSource extends AutoCloseable {
    /** For logs, e.g. {@code poll}. */
    String name();

    /**
     * Begins to tell the sink of jobs, on threads of its own, and returns at once. Called once. A source that cannot
     * reach its forge goes on trying; it never throws for that.
     */
    void start(JobSink sink);

    /**
     * Looks again soon rather than when it is due; returns at once. For sources that are told of jobs there is nothing
     * to do.
     */
    default void refresh() {}

    /** Tells the sink nothing more once it returns. A second call does nothing. */
    @Override
    void close();
}
