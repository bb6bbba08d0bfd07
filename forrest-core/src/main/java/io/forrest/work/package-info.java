/** The fleet's blocking hands: everything that happens to one machine between its placement and its end. */
package io.forrest.work;
