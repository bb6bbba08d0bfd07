/** Fetching large files by http, for images and for runners. */
package io.forrest.download;
