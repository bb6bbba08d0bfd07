package io.forrest.failpoint;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The labelled steps of a machine's life, between any two of which a crash must lose nothing.
 *
 * <p>With the environment variable {@code FORREST_FAILPOINT=NAME} or {@code NAME:COUNT} the process dies at once, as if by
 * SIGKILL, when it passes that step for the first or the COUNT-th time. Without it a step costs one comparison. Safe from
 * any thread.
 */
public enum FailPoint {
    /** The machine is written down; there is nothing else of it. */
    MACHINE_RECORDED,
    /** Its disk is cloned, which is not written down yet. */
    DISK_CREATED,
    /** The forge knows its runner, whose number is not written down yet. */
    RUNNER_REGISTERED,
    /** Its volumes are written; its VM is about to start. */
    VOLUMES_WRITTEN,
    /** Its VM's process runs, which is not written down yet. */
    VM_STARTED,
    /** That its VM was started is written down. */
    VM_RECORDED,
    /** Its job is known, and not written down yet. */
    JOB_SEEN,
    /** Its job is written down. */
    JOB_RECORDED,
    /** The hypervisor saw its guest's power-off, and has not written it down yet. */
    POWER_OFF_SEEN,
    /** Its guest's power-off is written down; its process still stands. */
    POWER_OFF_RECORDED,
    /** The end of its VM was heard of. */
    VM_ENDED,
    /** Its disk is to be promoted, which is written down; the disk is on stable storage. */
    PROMOTION_RECORDED,
    /** In the image store: the new generation's provenance is written, its image still a machine's disk. */
    GENERATION_DESCRIBED,
    /** In the image store: the new generation is complete; the machine image is still the old one. */
    GENERATION_MADE,
    /** In the image store: the new machine image stands ready under another name. */
    IMAGE_READY,
    /** The machine image is the new one, which the machine's record does not say yet. */
    PROMOTED,
    /** Its outcome is written down; its volumes are still there. */
    OUTCOME_RECORDED,
    /** Its volumes are gone; its runner may still be known at the forge. */
    VOLUMES_REMOVED;

    private static final String VARIABLE = "FORREST_FAILPOINT";

    /** What a process that SIGKILL ended reports. */
    private static final int KILLED = 137;

    private static final Optional<String> ARMED = Optional.ofNullable(System.getenv(VARIABLE));
    private static final AtomicInteger LEFT = new AtomicInteger(ARMED.filter(value -> value.contains(":"))
            .map(value -> Integer.parseInt(value.substring(value.indexOf(':') + 1)))
            .orElse(1));

    private final boolean armed = isArmed(name());

    private static boolean isArmed(String name) {
        String value = System.getenv(VARIABLE);
        return value != null && value.replaceFirst(":.*", "").equals(name);
    }

    /** Dies here, if this is where it is to. */
    public void pass() {
        if (armed && LEFT.decrementAndGet() == 0) {
            Runtime.getRuntime().halt(KILLED);
        }
    }
}
