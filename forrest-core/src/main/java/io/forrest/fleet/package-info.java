/**
 * The heart: which machines there should be, and what each is doing. One thread, no I/O, no library of the outside.
 *
 * <p>{@link io.forrest.fleet.Fleet} takes {@link io.forrest.fleet.FleetEvent}s one at a time and asks its
 * {@link io.forrest.fleet.FleetHands} for everything that blocks; the answers come back as events.
 */
package io.forrest.fleet;
