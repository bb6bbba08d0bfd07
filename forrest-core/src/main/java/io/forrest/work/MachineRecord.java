package io.forrest.work;

import io.forrest.config.MachineType;
import io.forrest.domain.JobObservation;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.Secret;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.DiskOrigin;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * What is written down of a machine, so that the next Forrest can go on with it.
 *
 * @param type the recipe it was requested with; its template's parameters are left out, since they are used up and may be
 *     secret
 * @param persistenceToken what its repository's was when it was launched; forgotten when it is over
 * @param runToken what its guest was told; forgotten when it is over
 * @param outcome how it ended, once it is {@link Stage#OVER}
 * @param macs what its extra network interfaces are lent, in their order; given back when it is over
 */
record MachineRecord(
        MachineId machine,
        MachineType type,
        Stage stage,
        Instant requestedAt,
        Optional<Secret> persistenceToken,
        Optional<Secret> runToken,
        Optional<DiskOrigin> origin,
        OptionalLong runnerId,
        Optional<Instant> vmStartedAt,
        Optional<JobObservation> job,
        Optional<Instant> endedAt,
        Optional<MachineOutcome> outcome,
        List<MacAddress> macs) {
    /** How far it is. */
    enum Stage {
        /** Its VM has not been started, or nobody had the time to write so. */
        LAUNCHING,
        /** Its VM was started. */
        STARTED,
        /** Its guest has shut down and asked to persist its disk, which is on stable storage; it is to be promoted. */
        PROMOTING,
        /** Its disk is promoted or thrown away; there is nothing more to it. */
        OVER
    }

    MachineRecord {
        Objects.requireNonNull(machine);
        Objects.requireNonNull(type);
        Objects.requireNonNull(stage);
        Objects.requireNonNull(requestedAt);
        Objects.requireNonNull(persistenceToken);
        Objects.requireNonNull(runToken);
        Objects.requireNonNull(origin);
        Objects.requireNonNull(runnerId);
        Objects.requireNonNull(vmStartedAt);
        Objects.requireNonNull(job);
        Objects.requireNonNull(endedAt);
        Objects.requireNonNull(outcome);
        macs = List.copyOf(macs);
    }

    /** Of a machine that is about to be launched. */
    static MachineRecord launching(
            MachineId machine, MachineType type, Optional<Secret> persistenceToken, Instant now) {
        return new MachineRecord(
                machine,
                type,
                Stage.LAUNCHING,
                now,
                persistenceToken,
                Optional.empty(),
                Optional.empty(),
                OptionalLong.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                List.of());
    }

    /** What changes on the way; the rest is the machine's for good. */
    private static final class Draft {
        private final MachineRecord before;
        private MachineType type;
        private Stage stage;
        private Optional<Secret> persistenceToken;
        private Optional<Secret> runToken;
        private Optional<DiskOrigin> origin;
        private OptionalLong runnerId;
        private Optional<Instant> vmStartedAt;
        private Optional<JobObservation> job;
        private Optional<Instant> endedAt;
        private Optional<MachineOutcome> outcome;
        private List<MacAddress> macs;

        Draft(MachineRecord before) {
            this.before = before;
            type = before.type;
            stage = before.stage;
            persistenceToken = before.persistenceToken;
            runToken = before.runToken;
            origin = before.origin;
            runnerId = before.runnerId;
            vmStartedAt = before.vmStartedAt;
            job = before.job;
            endedAt = before.endedAt;
            outcome = before.outcome;
            macs = before.macs;
        }

        MachineRecord done() {
            return new MachineRecord(
                    before.machine,
                    type,
                    stage,
                    before.requestedAt,
                    persistenceToken,
                    runToken,
                    origin,
                    runnerId,
                    vmStartedAt,
                    job,
                    endedAt,
                    outcome,
                    macs);
        }
    }

    private MachineRecord with(Consumer<Draft> change) {
        Draft next = new Draft(this);
        change.accept(next);
        return next.done();
    }

    MachineRecord withRunner(DiskOrigin from, long runner, Secret token) {
        return with(next -> {
            next.origin = Optional.of(from);
            next.runnerId = OptionalLong.of(runner);
            next.runToken = Optional.of(token);
        });
    }

    MachineRecord withMacs(List<MacAddress> lent) {
        return with(next -> next.macs = lent);
    }

    MachineRecord started(Instant at) {
        return with(next -> {
            next.stage = Stage.STARTED;
            next.vmStartedAt = Optional.of(at);
        });
    }

    MachineRecord withJob(JobObservation seen) {
        return with(next -> next.job = Optional.of(seen));
    }

    MachineRecord promoting(Instant guestEndedAt) {
        return with(next -> {
            next.stage = Stage.PROMOTING;
            next.endedAt = Optional.of(guestEndedAt);
        });
    }

    MachineRecord over(MachineOutcome how, Instant now) {
        return with(next -> {
            next.stage = Stage.OVER;
            next.type = withoutTokens(type);
            next.persistenceToken = Optional.empty();
            next.runToken = Optional.empty();
            next.endedAt = endedAt.or(() -> Optional.of(now));
            next.outcome = Optional.of(how);
            next.macs = List.of();
        });
    }

    /** Of a machine that is gone nobody needs a secret any more, and its record stays for long. */
    private static MachineType withoutTokens(MachineType type) {
        return new MachineType(
                type.id(),
                type.baseMachine(),
                type.baseImage(),
                type.useBase(),
                type.setupTemplate(),
                type.runner(),
                type.cpus(),
                type.disk(),
                type.ram(),
                type.shared(),
                type.networkInterfaces(),
                type.artifacts().stream()
                        .map(store -> new MachineType.ArtifactStore(
                                store.name(), store.path(), store.url(), store.quota(), Optional.empty()))
                        .toList());
    }
}
