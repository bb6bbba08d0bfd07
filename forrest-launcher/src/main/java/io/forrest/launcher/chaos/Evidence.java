package io.forrest.launcher.chaos;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that is left of a run, for {@link Verifier} to judge.
 *
 * @param images by machine type
 * @param processes of ours that still run, for people
 * @param runners that GitHub still knows
 * @param books what the daemon had handed out at its end though it had no machines; empty if all was at zero
 * @param unquiet what had not come to its end in time, for people
 * @param surprises ends of daemons that nobody planned
 * @param bugs what daemons said of bugs
 */
record Evidence(
        List<JobRecord> jobs,
        List<MachineRecord> machines,
        Map<String, TypeImages> images,
        List<String> processes,
        List<String> runners,
        List<String> books,
        List<String> unquiet,
        List<String> surprises,
        List<String> bugs) {
    /**
     * A job, as GitHub knows it in the end.
     *
     * @param conclusion empty if it is not over
     * @param runner who had it
     * @param excuse what we did that may have ended it
     * @param story what happened around it, for people
     */
    record JobRecord(
            PlannedJob plan,
            Optional<String> conclusion,
            Optional<String> runner,
            String log,
            Optional<String> excuse,
            List<String> story) {}

    /**
     * A machine's run directory.
     *
     * @param log what its guest said
     * @param killed whether we killed its VM
     * @param leftOvers files that its end should have removed
     * @param rescued the disk that could not become the machine image
     */
    record MachineRecord(
            String runner,
            String machineType,
            Path directory,
            String log,
            boolean killed,
            List<Path> leftOvers,
            Optional<ImageContent> rescued) {
        private static final String LAST_WORDS = "tiny: off";

        /** Whether the guest came to its own power-off, with all it wrote on its disk. */
        boolean poweredOff() {
            return log.contains(LAST_WORDS);
        }
    }

    /**
     * What is kept for a machine type.
     *
     * @param machineImage empty if there is none
     * @param generations by number, the oldest first
     * @param newestIsImage whether the newest good generation and the machine image are the same, byte for byte
     */
    record TypeImages(
            Path file, Optional<ImageContent> machineImage, List<Generation> generations, boolean newestIsImage) {}

    /**
     * A generation.
     *
     * @param machine whose disk it was, by its provenance
     * @param parent what that was cloned from: {@code acme/firmware/build@6}, or a base image's path
     * @param isGood whether it was not set aside
     */
    record Generation(
            int number,
            Path file,
            Optional<String> machine,
            Optional<String> parent,
            boolean isGood,
            ImageContent content) {}
}
