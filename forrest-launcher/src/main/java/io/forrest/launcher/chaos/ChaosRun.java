package io.forrest.launcher.chaos;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.JobId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.EmbeddedJob;
import io.forrest.github.embedded.Faults;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.api.ControlClient;
import io.forrest.launcher.chaos.Evidence.JobRecord;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;

/** Carries a plan out, and gathers what is left in the end. One thread, which looks at everything every so often. */
final class ChaosRun {
    private static final Duration LOOK_AGAIN = Duration.ofMillis(50);

    /** The embedded GitHub's runners are heard of every 5 s. */
    private static final Duration LOST_WHEN_SILENT = Duration.ofSeconds(30);

    /** As many as there is work for all machines, and some that wait. */
    private static final int OPEN_JOBS = 6;

    private static final double FAILING_CALLS = 0.3;

    private static final Duration LONGEST_QUIETING = Duration.ofMinutes(3);
    private static final Duration LONGEST_BOOK_KEEPING = Duration.ofSeconds(10);
    private static final List<String> BOOKS = List.of("machines", "claimed_ram_bytes", "claimed_disk_bytes");
    private static final Duration LONGEST_LAST_END = Duration.ofSeconds(40);
    private static final Duration FOR_EACH_JOB = Duration.ofSeconds(20);
    private static final Duration FOR_EACH_END = Duration.ofSeconds(90);

    /** A daemon that fails for lack of space may take as long to notice. */
    private static final Duration AFTER_A_FULL_STORE = Duration.ofSeconds(10);

    private static final Pattern JOB_NAME = Pattern.compile("\\bj\\d{3}-");
    private static final Duration STORY_BEFORE = Duration.ofSeconds(3);
    private static final Duration STORY_AFTER = Duration.ofSeconds(3);

    private final ChaosPlan plan;
    private final ChaosFarm farm;
    private final Chronicle chronicle;
    private final Clock clock;
    private final CleanUp cleanUp;
    private final EmbeddedGitHub gitHub;
    private final StoreProcesses processes;
    private final DaemonKeeper daemons;
    private final FullStore store;
    private final FarmFiles files;

    private final Map<JobId, PlannedJob> queued = new LinkedHashMap<>();
    private final Map<JobId, Instant> toCancel = new HashMap<>();
    private final Map<JobId, String> lastStatus = new HashMap<>();
    private final List<Disturbance> waiting = new ArrayList<>();
    private final List<Due> due = new ArrayList<>();
    private final Set<String> killedVms = new HashSet<>();
    private final List<Period> fullStore = new ArrayList<>();
    private Optional<Instant> emptyStoreAt = Optional.empty();
    private Optional<Instant> webhooksSingleAt = Optional.empty();

    private record Due(Instant at, Disturbance disturbance) {}

    private record Period(Instant from, Instant to) {
        boolean overlaps(Instant start, Instant end) {
            return !start.isAfter(to) && !end.isBefore(from);
        }
    }

    ChaosRun(ChaosPlan plan, ChaosFarm farm, Chronicle chronicle, Clock clock, CleanUp cleanUp) {
        this.plan = plan;
        this.farm = farm;
        this.chronicle = chronicle;
        this.clock = clock;
        this.cleanUp = cleanUp;
        this.gitHub = farm.gitHub();
        Path base = farm.baseDirectory();
        // Daemons first, which would start VMs anew.
        this.processes = cleanUp.add(new StoreProcesses(base));
        this.daemons =
                cleanUp.add(new DaemonKeeper(farm.config(), farm.work(), plan.ends(), chronicle, this::storeWasFull));
        this.store = new FullStore(base.getParent());
        this.files = new FarmFiles(base, farm.work().resolve("scratch"));
        waiting.addAll(plan.disturbances());
        if (plan.kinds().contains(FaultKind.GITHUB)) {
            gitHub.faults().randomly(FAILING_CALLS, plan.seed());
        }
    }

    DaemonKeeper daemons() {
        return daemons;
    }

    int jobs() {
        return queued.size();
    }

    /** All of it, from the first daemon's start to the last one's end. Throws if the host or the daemon lets us down. */
    Evidence carryOut() throws IOException {
        long mostNanos = FOR_EACH_JOB.multipliedBy(plan.jobs()).toNanos()
                + FOR_EACH_END.multipliedBy(plan.ends().size()).toNanos();
        long startNanos = System.nanoTime();
        List<String> unquiet = new ArrayList<>();
        while (!isPlayedOut()) {
            if (System.nanoTime() - startNanos > mostNanos) {
                unquiet.add("the plan was not carried out after %d s: %d jobs were queued, %d not over, %d kills done"
                        .formatted(
                                Duration.ofNanos(mostNanos).toSeconds(), queued.size(), openJobs(), daemons.kills()));
                break;
            }
            tick();
            disturb();
            feed();
            pause();
        }
        endFaults();
        awaitQuiet(unquiet);
        List<String> books = books();
        endDaemon(unquiet);
        return gather(unquiet, books);
    }

    private boolean isPlayedOut() {
        return queued.size() >= plan.jobs() && daemons.isDone() && waiting.isEmpty() && due.isEmpty();
    }

    private void pause() throws IOException {
        if (cleanUp.isEnding()) {
            throw new IOException("told to end");
        }
        LockSupport.parkNanos(LOOK_AGAIN.toNanos());
    }

    private void tick() throws IOException {
        daemons.tick();
        gitHub.loseSilentRunners(LOST_WHEN_SILENT);
        observe();
        cancel();
    }

    /** Notes what became of jobs since it last looked. */
    private void observe() {
        for (JobId id : queued.keySet()) {
            EmbeddedJob job = gitHub.job(id);
            String status = job.status()
                    + job.conclusion().map(how -> ", " + how).orElse("")
                    + job.runnerName().map(runner -> ", on " + runner).orElse("");
            if (!status.equals(lastStatus.put(id, status)) && !job.status().equals("queued")) {
                chronicle.happened(job.name() + " is " + status.replace("_", " "));
            }
        }
    }

    private long openJobs() {
        return queued.keySet().stream().filter(id -> !isOver(id)).count();
    }

    private boolean isOver(JobId id) {
        return gitHub.job(id).conclusion().isPresent();
    }

    private void feed() {
        if (openJobs() >= OPEN_JOBS || (queued.size() >= plan.jobs() && daemons.isDone())) {
            return;
        }
        PlannedJob job = plan.job(queued.size());
        JobId id = gitHub.queueJob(new EmbeddedGitHub.JobRequest(
                ChaosFarm.REPOSITORY,
                job.name(),
                job.kind().event(),
                List.of("self-hosted", "forrest", job.machineType()),
                job.script(),
                false));
        Instant now = clock.instant();
        queued.put(id, job);
        chronicle.happened(job.name() + " is queued for " + job.machineType());
        job.cancelAfter().ifPresent(after -> toCancel.put(id, now.plus(after)));
        waiting.removeIf(disturbance -> {
            boolean follows = disturbance.afterJob() == job.number();
            if (follows) {
                due.add(new Due(now.plus(disturbance.delay()), disturbance));
            }
            return follows;
        });
    }

    private void cancel() {
        Instant now = clock.instant();
        toCancel.entrySet().removeIf(entry -> {
            boolean ripe = !entry.getValue().isAfter(now);
            if (ripe && !isOver(entry.getKey())) {
                chronicle.happened(queued.get(entry.getKey()).name() + " is being cancelled");
                gitHub.cancelJob(entry.getKey());
            }
            return ripe;
        });
    }

    private void disturb() throws IOException {
        Instant now = clock.instant();
        for (Due next : List.copyOf(due)) {
            if (!next.at().isAfter(now) && carryOut(next.disturbance(), now)) {
                due.remove(next);
            }
        }
        if (emptyStoreAt.filter(at -> !at.isAfter(now)).isPresent()) {
            emptyStore();
        } else if (store.isFull()) {
            // Whatever became free meanwhile.
            store.fill();
        }
        if (webhooksSingleAt.filter(at -> !at.isAfter(now)).isPresent()) {
            webhooksSingleAt = Optional.empty();
            gitHub.faults().repeatWebhooks(1);
        }
    }

    /** False if it is not possible yet. */
    private boolean carryOut(Disturbance disturbance, Instant now) throws IOException {
        Faults faults = gitHub.faults();
        switch (disturbance.what()) {
            case KILL_VM -> {
                List<StoreProcesses.VmProcess> vms = processes.vms();
                if (vms.isEmpty()) {
                    return false;
                }
                StoreProcesses.VmProcess victim = vms.get(disturbance.choice() % vms.size());
                // Before the deed, so that nobody hears of its consequences first.
                killedVms.add(victim.runnerName());
                victim.process().destroyForcibly();
                chronicle.happened("the VM of " + victim.runnerName() + " is killed");
            }
            case FILL_STORE -> {
                store.fill();
                emptyStoreAt = Optional.of(now.plus(disturbance.length()));
                fullStore.add(new Period(now, Instant.MAX));
                chronicle.happened("the store is full: %d KiB are free".formatted(store.free() / 1024));
            }
            case DROP_WEBHOOKS -> {
                faults.dropWebhooks(disturbance.choice());
                chronicle.happened("the next %d webhooks are dropped".formatted(disturbance.choice()));
            }
            case DOUBLE_WEBHOOKS -> {
                faults.repeatWebhooks(2);
                webhooksSingleAt = Optional.of(now.plus(disturbance.length()));
                chronicle.happened("webhooks come twice for %d s"
                        .formatted(disturbance.length().toSeconds()));
            }
            case REORDER_WEBHOOKS -> {
                faults.reorderWebhooks(disturbance.choice());
                chronicle.happened("the next %d webhooks come last first".formatted(disturbance.choice()));
            }
        }
        return true;
    }

    private void emptyStore() throws IOException {
        store.empty();
        emptyStoreAt = Optional.empty();
        Instant now = clock.instant();
        fullStore.replaceAll(period -> period.to().equals(Instant.MAX) ? new Period(period.from(), now) : period);
        chronicle.happened("the store has space again");
    }

    private boolean storeWasFull() {
        Instant now = clock.instant();
        return fullStore.stream().anyMatch(period -> period.overlaps(now.minus(AFTER_A_FULL_STORE), now));
    }

    private void endFaults() throws IOException {
        gitHub.faults().clear();
        due.clear();
        if (store.isFull()) {
            emptyStore();
        }
        chronicle.happened("no more faults");
    }

    private void awaitQuiet(List<String> unquiet) throws IOException {
        long startNanos = System.nanoTime();
        while (true) {
            tick();
            List<String> reasons = unquietReasons();
            if (reasons.isEmpty()) {
                chronicle.happened("all is quiet");
                return;
            }
            if (System.nanoTime() - startNanos > LONGEST_QUIETING.toNanos()) {
                reasons.forEach(reason ->
                        unquiet.add("after %d s without faults: %s".formatted(LONGEST_QUIETING.toSeconds(), reason)));
                chronicle.happened("it does not become quiet");
                return;
            }
            pause();
        }
    }

    private List<String> unquietReasons() throws IOException {
        List<String> reasons = new ArrayList<>();
        if (!daemons.isReady() || !daemons.isDone()) {
            reasons.add("no daemon is ready");
        }
        queued.forEach((id, job) -> {
            if (!isOver(id)) {
                reasons.add(job.name() + " is " + gitHub.job(id).status());
            }
        });
        runners().forEach(runner -> reasons.add("GitHub knows the runner " + runner));
        // The dearer questions only when the others are answered.
        if (reasons.isEmpty()) {
            files.volumes().forEach(volume -> reasons.add(volume + " is there"));
            vmProcesses().forEach(process -> reasons.add("a process runs: " + process));
        }
        return reasons;
    }

    private List<String> runners() {
        return gitHub.runners().stream()
                .map(runner -> runner.name() + (runner.busy() ? ", busy" : runner.online() ? ", online" : ", offline"))
                .toList();
    }

    private List<String> vmProcesses() {
        return processes.all().stream()
                .map(process -> process.pid() + " " + StoreProcesses.commandLine(process))
                .filter(line -> !line.contains(ChaosDaemon.class.getName()))
                .toList();
    }

    /** What the daemon has handed out though it has no machines; as it stands after some time if it does not come to zero. */
    private List<String> books() throws IOException {
        ControlClient control = new ControlClient(farm.baseDirectory().resolve("control.sock"));
        long startNanos = System.nanoTime();
        while (true) {
            tick();
            List<String> wrong = wrongBooks(control);
            if (wrong.isEmpty() || System.nanoTime() - startNanos > LONGEST_BOOK_KEEPING.toNanos()) {
                return wrong;
            }
            pause();
        }
    }

    private static List<String> wrongBooks(ControlClient control) {
        try {
            JsonNode books = control.get("/books");
            return BOOKS.stream()
                    .filter(field -> books.path(field).asLong(-1) != 0)
                    .map(field -> field + " is " + books.path(field))
                    .toList();
        } catch (IOException | ControlClient.NotRunningException e) {
            return List.of("the daemon cannot be asked: " + e.getMessage());
        }
    }

    private void endDaemon(List<String> unquiet) throws IOException {
        daemons.tellToEnd();
        long startNanos = System.nanoTime();
        while (true) {
            daemons.tick();
            if (daemons.hasEnded()) {
                return;
            }
            if (System.nanoTime() - startNanos > LONGEST_LAST_END.toNanos()) {
                unquiet.add(
                        "the last daemon does not end within %d s of SIGTERM".formatted(LONGEST_LAST_END.toSeconds()));
                return;
            }
            pause();
        }
    }

    private Evidence gather(List<String> unquiet, List<String> books) throws IOException {
        List<JobRecord> jobs = new ArrayList<>();
        for (Map.Entry<JobId, PlannedJob> entry : queued.entrySet()) {
            jobs.add(record(entry.getValue(), gitHub.job(entry.getKey())));
        }
        return new Evidence(
                jobs,
                files.machines(killedVms),
                files.images(),
                vmProcesses(),
                runners(),
                books,
                unquiet,
                daemons.surprises(),
                daemons.bugs());
    }

    private JobRecord record(PlannedJob job, EmbeddedJob atGitHub) throws IOException {
        Instant end = atGitHub.completedAt().orElse(clock.instant());
        Optional<String> runner = atGitHub.runnerName();
        Optional<String> excuse = runner.filter(killedVms::contains)
                .map(any -> "its VM was killed")
                .or(() -> atGitHub.startedAt()
                        .filter(start -> fullStore.stream().anyMatch(period -> period.overlaps(start, end)))
                        .map(start -> "the store was full meanwhile"));
        Instant begin = atGitHub.startedAt().orElse(atGitHub.createdAt());
        List<String> story = new ArrayList<>();
        // Of other jobs only what may have touched this one.
        chronicle.between(begin.minus(STORY_BEFORE), end.plus(STORY_AFTER)).stream()
                .filter(line -> line.contains(job.name())
                        || runner.filter(line::contains).isPresent()
                        || !JOB_NAME.matcher(line).find())
                .forEach(story::add);
        if (runner.isPresent()) {
            story.addAll(daemons.saidOf(runner.get()));
        }
        return new JobRecord(job, atGitHub.conclusion(), runner, atGitHub.log(), excuse, story);
    }
}
