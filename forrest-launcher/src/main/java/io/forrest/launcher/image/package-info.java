/** {@code forrest image}: machine images and their generations, for people. */
package io.forrest.launcher.image;
