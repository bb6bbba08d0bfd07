/** The configuration file: its tree after merges, its problems with their lines, and the model that the rest reads. */
package io.forrest.config;
