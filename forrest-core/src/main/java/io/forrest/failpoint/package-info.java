/** Where the chaos suite can have the daemon die. */
package io.forrest.failpoint;
