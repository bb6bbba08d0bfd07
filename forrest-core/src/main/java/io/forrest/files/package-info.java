/** Files that are replaced as a whole, for everybody who writes something down. */
package io.forrest.files;
