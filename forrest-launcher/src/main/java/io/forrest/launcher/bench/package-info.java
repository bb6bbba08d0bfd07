/** {@code forrest bench}: how fast Forrest is on this host, measured on the real thing. */
package io.forrest.launcher.bench;
