package io.forrest.config;

/** Gives the configuration that is in force; an embedder may have it from anywhere. Callable from any thread. */
@FunctionalInterface
public interface ConfigSource {
    /**
     * The newest good configuration. Called before each planning pass, so it is fast; it never throws for a
     * configuration that has become bad, it goes on with the last good one.
     */
    ForrestConfig current();
}
