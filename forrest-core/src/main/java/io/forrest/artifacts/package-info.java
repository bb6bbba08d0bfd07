/** What machines upload: who may put what where, how much of it, and how it gets there whole. Knows nothing of HTTP. */
package io.forrest.artifacts;
