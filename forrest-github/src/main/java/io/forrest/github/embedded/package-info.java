/**
 * A small GitHub on loopback, for the demo, for tests and for embedders' tests: real HTTP, as strict as the real one in all
 * that Forrest uses, and able to misbehave.
 *
 * <p>Bodies follow GitHub's OpenAPI description and its webhook schema. It shares no code with the client in
 * {@code io.forrest.github}, so that a mistake there cannot be repeated here.
 */
package io.forrest.github.embedded;
