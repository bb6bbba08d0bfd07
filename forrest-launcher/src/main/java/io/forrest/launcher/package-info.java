/** The {@code forrest} program: its commands, and the daemon that they start. */
package io.forrest.launcher;
