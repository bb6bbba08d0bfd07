/** Forrest for those who embed it: {@link io.forrest.Forrest} and what it tells. */
package io.forrest;
