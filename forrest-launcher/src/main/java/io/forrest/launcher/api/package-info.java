/** Forrest's HTTP API: on a Unix socket behind nginx, and on TCP where the configuration says so. */
package io.forrest.launcher.api;
