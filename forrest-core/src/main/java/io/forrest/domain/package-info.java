/** The words of Forrest as values: immutable, without I/O, of the JDK alone. */
package io.forrest.domain;
