package io.forrest.fleet;

import io.forrest.config.MachineType;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.VmExit;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalLong;

/** One machine in the fleet's books. Not thread-safe: belongs to the fleet thread. */
final class Machine {
    private final MachineId id;
    private final MachineType type;
    private final Instant requestedAt;
    private MachineState state = MachineState.REQUESTED;
    private Instant since;
    private String reason = "wanted by a queued job";
    private Optional<Planner.Lack> lack = Optional.empty();
    private Optional<Instant> vmStartedAt = Optional.empty();
    private OptionalLong processId = OptionalLong.empty();
    private Optional<VmExit> vmExit = Optional.empty();
    private Optional<DiskOrigin> origin = Optional.empty();
    private Optional<JobId> job = Optional.empty();
    private Optional<MachineOutcome> outcome = Optional.empty();
    private boolean withdrawing;
    private int withdrawalFailures;
    private Optional<Instant> withdrawAgainAt = Optional.empty();
    private boolean startTimedOut;
    private boolean cameUp;
    private boolean lookedForOnce;
    private boolean endedByItself;
    private Optional<Instant> seenDownAt = Optional.empty();
    private boolean sawJob;
    private boolean askedForJob;
    private boolean jobOver;
    private Optional<Instant> powerOffSince = Optional.empty();
    private Optional<Instant> offlineSince = Optional.empty();
    private Optional<Instant> adoptedAt = Optional.empty();

    Machine(MachineId id, MachineType type, Instant now) {
        this.id = id;
        this.type = type;
        this.requestedAt = now;
        this.since = now;
    }

    /** One whose VM runs already; if it had a job, that is still to be told by {@link #tookJob}. */
    static Machine adopted(AdoptedMachine adopted, Instant now) {
        Machine machine = new Machine(adopted.id(), adopted.type(), adopted.requestedAt());
        machine.state = MachineState.STARTING;
        machine.since = adopted.vmStartedAt();
        machine.reason = "its VM was started by an earlier Forrest";
        machine.vmStartedAt = Optional.of(adopted.vmStartedAt());
        machine.processId = adopted.processId();
        machine.origin = adopted.origin();
        machine.adoptedAt = Optional.of(now);
        return machine;
    }

    MachineId id() {
        return id;
    }

    MachineType type() {
        return type;
    }

    MachineState state() {
        return state;
    }

    Instant since() {
        return since;
    }

    /** Moves on. A move that {@link MachineState#next} does not know is a bug of the fleet's, and throws. */
    void moveTo(MachineState next, Instant now, String why) {
        if (!state.next().contains(next)) {
            throw new IllegalStateException(id + " cannot go from " + state + " to " + next);
        }
        state = next;
        since = now;
        reason = why;
    }

    /** Says why it stays where it is; returns whether that is a new reason. */
    boolean hold(Planner.Lack what, String why) {
        boolean news = !reason.equals(why);
        lack = Optional.of(what);
        reason = why;
        return news;
    }

    /** What it waits for, once it is held. */
    Optional<Planner.Lack> lack() {
        return lack;
    }

    void vmStarted(Instant at, OptionalLong pid) {
        vmStartedAt = Optional.of(at);
        processId = pid;
    }

    void vmEnded(VmExit how) {
        vmExit = Optional.of(how);
    }

    void clonedFrom(DiskOrigin from) {
        origin = Optional.of(from);
    }

    /** What its disk was cloned from, once it is. */
    Optional<DiskOrigin> origin() {
        return origin;
    }

    /** Its runner was seen online or at work, or a job is known that it had. */
    void cameUp() {
        cameUp = true;
    }

    /** Whether it ever came up. */
    boolean hasComeUp() {
        return cameUp;
    }

    void tookJob(Optional<JobId> taken) {
        sawJob = true;
        if (taken.isPresent()) {
            job = taken;
        }
    }

    /** Whether {@code known} is the job that it is known to have, or to have had. */
    boolean hasJob(JobId known) {
        return job.filter(known::equals).isPresent();
    }

    /** Whether its runner was ever seen at work. */
    boolean sawJob() {
        return sawJob;
    }

    /**
     * Whether somebody has to look for the job it is at, of which no source has told; true once, as asking again would
     * not be answered better.
     */
    boolean mustAskForJob() {
        boolean must = job.isEmpty() && !askedForJob;
        askedForJob |= must;
        return must;
    }

    void jobIsOver() {
        jobOver = true;
    }

    /** Whether the job it had is over, so that nothing but its end is to come. */
    boolean isJobOver() {
        return jobOver;
    }

    /** Only its guest's power-off is waited for. */
    void awaitPowerOff(Instant now) {
        powerOffSince = Optional.of(now);
    }

    /** The guest is off, or is not waited for any longer. */
    void endAwaitingPowerOff() {
        powerOffSince = Optional.empty();
    }

    /** Since when its guest's power-off is waited for; empty if it is not. */
    Optional<Instant> powerOffSince() {
        return powerOffSince;
    }

    /** Whether its runner is being withdrawn; until that is answered it counts for no job. */
    boolean withdrawing() {
        return withdrawing;
    }

    void setWithdrawing(boolean value) {
        withdrawing = value;
    }

    /** Its runner could not be withdrawn; returns how often that is now. */
    int withdrawalFailed() {
        withdrawing = false;
        return ++withdrawalFailures;
    }

    void withdrawAgainAt(Instant time) {
        withdrawAgainAt = Optional.of(time);
    }

    /** It is tried at once, whatever came of the last try. */
    void withdrawAtOnce() {
        withdrawAgainAt = Optional.empty();
    }

    /** Whether its runner may be withdrawn now: it is not being so, and the last try is long enough ago. */
    boolean canWithdraw(Instant now) {
        return !withdrawing && withdrawAgainAt.filter(now::isBefore).isEmpty();
    }

    void startTakesTooLong() {
        startTimedOut = true;
    }

    /** It was late, but came up before its runner was withdrawn. */
    void startedAfterAll() {
        startTimedOut = false;
    }

    /** Whether its runner was not seen online in time. */
    boolean startTimedOut() {
        return startTimedOut;
    }

    /** The forge says that its runner is not online yet. */
    void seenDown(Instant now) {
        seenDownAt = Optional.of(now);
    }

    /** When the forge last said that its runner is not online yet. */
    Optional<Instant> seenDownAt() {
        return seenDownAt;
    }

    /** Whether it has to be looked for before it is called late; true once. */
    boolean mustBeLookedFor() {
        boolean must = !lookedForOnce;
        lookedForOnce = true;
        return must;
    }

    /** Its guest powered off, which nobody asked it to. */
    void endedByItself() {
        endedByItself = true;
    }

    /** Whether its guest powered off of its own accord without having been seen to come up. */
    boolean endedBeforeItCameUp() {
        return endedByItself && !cameUp && !sawJob;
    }

    /** Its runner was seen without a job. */
    void seenIdle(boolean online, Instant now) {
        offlineSince = online ? Optional.empty() : offlineSince.or(() -> Optional.of(now));
    }

    /** Since when its idle runner has been offline, whenever it was looked at. */
    Optional<Instant> offlineSince() {
        return offlineSince;
    }

    /** When this Forrest took it over from an earlier one, if it did. */
    Optional<Instant> adoptedAt() {
        return adoptedAt;
    }

    void ended(MachineOutcome how) {
        outcome = Optional.of(how);
    }

    MachineSnapshot snapshot() {
        return new MachineSnapshot(
                id, type, state, requestedAt, since, reason, vmStartedAt, processId, vmExit, job, outcome);
    }
}
