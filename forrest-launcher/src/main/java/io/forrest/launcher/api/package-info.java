/**
 * What Forrest answers over HTTP: webhooks, on a Unix socket behind nginx and on TCP where the configuration says so; and
 * its owner's questions, on a Unix socket of their own, with the client that asks them.
 */
package io.forrest.launcher.api;
