/**
 * What other people can implement: hypervisors, image stores, guest volumes, runner brokers and job sources.
 *
 * <p>These types see {@code io.forrest.domain} and the JDK only. Blocking calls come from Forrest's worker threads and
 * may come from several at once, so every implementation is thread-safe. A worker is interrupted only when Forrest
 * closes; an implementation then gives up with {@link io.forrest.spi.PluginException}. No argument and no result is
 * ever null. The conformance suites in {@code io.forrest.testing} hold implementations to what is said here.
 */
package io.forrest.spi;
