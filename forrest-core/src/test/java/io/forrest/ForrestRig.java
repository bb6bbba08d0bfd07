package io.forrest;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.config.ForrestConfig;
import io.forrest.config.MachineType;
import io.forrest.config.RepositoryConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.Secret;
import io.forrest.fleet.FleetTimings;
import io.forrest.fleet.MachineSnapshot;
import io.forrest.fleet.MachineState;
import io.forrest.testing.FakeGuest;
import io.forrest.testing.FakeGuestVolumes;
import io.forrest.testing.FakeHypervisor;
import io.forrest.testing.FakeJobSource;
import io.forrest.testing.FakeRunnerBroker;
import io.forrest.testing.FakeVm;
import io.forrest.testing.InMemoryImageStore;
import io.forrest.testing.ManualClock;
import io.forrest.testing.TestConfigs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/** A whole Forrest on fakes and temporary directories, with a clock that stands still. */
final class ForrestRig implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final int DISK = 0;
    static final int CLOUD_INIT = 1;
    static final int JOB_CONFIG = 2;

    final Path directory;
    final Path baseDirectory;
    final Path template;
    final Path baseImage;
    final ManualClock clock = new ManualClock(Instant.parse("2026-01-01T00:00:00Z"));
    final AtomicReference<ForrestConfig> config = new AtomicReference<>();
    final InMemoryImageStore images = new InMemoryImageStore();
    final FakeGuestVolumes volumes = new FakeGuestVolumes();
    final FakeRunnerBroker broker = new FakeRunnerBroker(TestConfigs.REPOSITORY);
    final Sightings told = new Sightings();
    FakeJobSource jobs = new FakeJobSource(clock);
    FakeHypervisor hypervisor = new FakeHypervisor(this::work);
    FleetTimings timings = FleetTimings.builder()
            .quiet(Duration.ofMillis(200), Duration.ofSeconds(2))
            .build();
    Script script = (vm, job) -> {};

    private final Map<MachineTypeId, BlockingQueue<JobId>> queues = new ConcurrentHashMap<>();
    private final List<Forrest> opened = new ArrayList<>();

    /** What a job does on its machine. */
    @FunctionalInterface
    interface Script {
        void run(FakeVm vm, JobId job) throws Exception;
    }

    /** Remembers all it is told. */
    static final class Sightings implements ForrestListener {
        private final List<MachineSnapshot> all = new ArrayList<>();

        @Override
        public synchronized void machineChanged(MachineSnapshot machine) {
            all.add(machine);
            notifyAll();
        }

        synchronized List<MachineSnapshot> all() {
            return List.copyOf(all);
        }

        List<MachineState> statesOf(MachineId machine) {
            return all().stream()
                    .filter(seen -> seen.id().equals(machine))
                    .map(MachineSnapshot::state)
                    .toList();
        }

        /** The first that is like this, past or to come. */
        synchronized MachineSnapshot await(Predicate<MachineSnapshot> like) throws InterruptedException {
            return await(1, like).get(0);
        }

        /** The first {@code count} that are like this, past or to come. */
        synchronized List<MachineSnapshot> await(int count, Predicate<MachineSnapshot> like)
                throws InterruptedException {
            long deadlineNanos = System.nanoTime() + PATIENCE.toNanos();
            while (true) {
                List<MachineSnapshot> found =
                        all.stream().filter(like).limit(count).toList();
                if (found.size() == count) {
                    return found;
                }
                long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
                if (leftMillis <= 0) {
                    throw new AssertionError("Not " + count + " of that kind within " + PATIENCE + ", only "
                            + all.stream()
                                    .map(seen -> seen.id() + " " + seen.state() + ": " + seen.reason())
                                    .toList());
                }
                wait(leftMillis);
            }
        }

        MachineSnapshot await(MachineId machine, MachineState state) throws InterruptedException {
            return await(seen -> seen.id().equals(machine) && seen.state() == state);
        }

        /** The end of the only machine of this type, or of the first one to end. */
        MachineSnapshot awaitEnd(MachineTypeId type) throws InterruptedException {
            return await(seen -> seen.type().id().equals(type) && seen.state() == MachineState.STOPPED);
        }
    }

    ForrestRig() throws IOException {
        directory = Files.createTempDirectory("forrest");
        baseDirectory = directory.resolve("base");
        baseImage = directory.resolve("debian.raw");
        Files.writeString(baseImage, "debian");
        template = directory.resolve("template");
        Files.createDirectories(template.resolve("cloud-init"));
        Files.createDirectories(template.resolve("job-config"));
        Files.writeString(template.resolve("cloud-init/user-data"), "#cloud-config\nhostname: <MACHINE_NAME>\n");
        Files.writeString(template.resolve("job-config/job.sh"), "<REPO_OWNER>/<REPO_NAME> <MACHINE_NAME> <JITCONFIG>");
        Files.writeString(template.resolve("job-config/run-token"), "<RUN_TOKEN>");
    }

    /** A machine type on the base image. */
    MachineType type(String name, String ram) {
        return TestConfigs.type(name, ram, Optional.empty(), Optional.of(baseImage), template);
    }

    /** A machine type on another one's machine image. */
    MachineType derived(String name, String ram, MachineType base) {
        return TestConfigs.type(name, ram, Optional.of(base.id()), Optional.empty(), template);
    }

    void configure(String hostRam, MachineType... types) {
        config.set(TestConfigs.config(baseDirectory, hostRam, types));
    }

    /** As {@link #configure}, with another persistence token. */
    void configure(Optional<Secret> token, String hostRam, MachineType... types) {
        configure(hostRam, types);
        ForrestConfig current = config.get();
        config.set(new ForrestConfig(
                current.host(),
                current.github(),
                Map.of(
                        TestConfigs.REPOSITORY,
                        new RepositoryConfig(
                                token,
                                current.repositories()
                                        .get(TestConfigs.REPOSITORY)
                                        .machines()))));
    }

    Forrest.Builder builder() {
        return Forrest.builder(config::get)
                .imageStore(images)
                .guestVolumes(volumes)
                .hypervisor(hypervisor)
                .runnerBroker(broker)
                .jobSource(jobs)
                .listener(told)
                .timings(timings)
                .clock(clock);
    }

    /** Builds one that {@link #close} closes. */
    Forrest open(Forrest.Builder builder) {
        Forrest forrest = builder.build();
        opened.add(forrest);
        return forrest;
    }

    Forrest start() throws HostCheckException {
        Forrest forrest = open(builder());
        forrest.start();
        return forrest;
    }

    /** What the next Forrest finds: the same host and the same forge. */
    void nextProcess() {
        hypervisor = hypervisor.ofNextProcess();
        jobs = jobs.ofNextProcess();
    }

    /** Somebody pushes: a job is queued at the forge. */
    JobId queue(MachineType type) {
        JobId job = jobs.queue(type.id());
        waiting(type.id()).add(job);
        return job;
    }

    /** Lets time go by, and has the fleet notice before its next tick: news of any job, though not for us, has it plan. */
    void advance(Duration step) {
        clock.advance(step);
        jobs.queue(TestConfigs.REPOSITORY, List.of("ubuntu-latest"));
    }

    private BlockingQueue<JobId> waiting(MachineTypeId type) {
        return queues.computeIfAbsent(type, any -> new LinkedBlockingQueue<>());
    }

    /** What the usual guest does: goes online, takes a job of its type, runs it, and powers off. */
    private void work(FakeVm vm) throws Exception {
        long runner = runnerId(vm);
        broker.connect(runner);
        JobId job = waiting(vm.spec().machine().type()).take();
        broker.giveJob(runner);
        jobs.start(job, vm.spec().machine().runnerName());
        script.run(vm, job);
        broker.endJob(runner);
        jobs.complete(job);
    }

    /** A guest that boots and does nothing more. */
    static FakeGuest idle() {
        return FakeVm::runForEver;
    }

    /** The runner a guest is to start, from its JIT configuration. */
    static long runnerId(FakeVm vm) throws IOException {
        String job = text(vm, JOB_CONFIG, "job.sh");
        return Long.parseLong(job.substring(job.lastIndexOf("jit-") + "jit-".length()));
    }

    /** A file on a volume, as the guest sees it. */
    static String text(FakeVm vm, int volume, String file) throws IOException {
        return new String(FakeGuestVolumes.files(vm.disk(volume)).get(file), StandardCharsets.UTF_8);
    }

    static void persist(FakeVm vm, String token) throws IOException {
        FakeGuestVolumes.put(vm.disk(JOB_CONFIG), "persist", token.getBytes(StandardCharsets.UTF_8));
    }

    static void persist(FakeVm vm) throws IOException {
        persist(vm, TestConfigs.PERSISTENCE_TOKEN.reveal());
    }

    /** Leaves {@code text} at the beginning of the guest's disk. */
    static void install(FakeVm vm, String text) throws IOException {
        Files.writeString(vm.disk(DISK), text);
    }

    Optional<String> image(MachineType type) {
        return images.image(type.id()).map(bytes -> new String(bytes, StandardCharsets.UTF_8).replace("\0", ""));
    }

    FakeVm nextVm() throws InterruptedException {
        return hypervisor.nextVm(PATIENCE);
    }

    Path runDirectory(MachineId machine) {
        return baseDirectory
                .resolve("runs/acme/firmware")
                .resolve(machine.type().type())
                .resolve(machine.runnerName());
    }

    /** Names of the files that are left in a machine's run directory. */
    List<String> leftOf(MachineId machine) throws IOException {
        Path run = runDirectory(machine);
        if (!Files.exists(run)) {
            return List.of();
        }
        try (var files = Files.list(run)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /** No VM, no runner and no volumes of this machine are there any more. */
    void assertNothingLeftOf(MachineId machine) throws IOException {
        assertThat(leftOf(machine)).isSubsetOf("log.txt", "machine.json");
        // It is removed when the books are closed already.
        eventually("its runner is removed", () -> broker.runnerId(machine.runnerName())
                .isEmpty());
        assertThat(hypervisor.running()).noneMatch(vm -> vm.spec().machine().equals(machine));
    }

    /** For what nobody tells of. */
    static void eventually(String what, BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadlineNanos) {
                throw new AssertionError("Not within " + PATIENCE + ": " + what);
            }
            Thread.onSpinWait();
        }
    }

    @Override
    public void close() {
        opened.forEach(Forrest::close);
        hypervisor.running().forEach(vm -> vm.stop(Duration.ZERO));
    }
}
