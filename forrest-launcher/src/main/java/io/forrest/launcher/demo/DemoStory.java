package io.forrest.launcher.demo;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import io.forrest.fleet.MachineOutcome;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.EmbeddedJob;
import io.forrest.launcher.HostCommand;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Queues the story's jobs one after the other, watches their machines, and holds what happened against what should. */
final class DemoStory {
    private static final Pattern SEES = Pattern.compile("(?m)^sees:(.*)$");

    private static final Duration SHELL_PATIENCE = Duration.ofMinutes(2);

    private final EmbeddedGitHub gitHub;
    private final RepositoryId repository;
    private final String machineType;
    private final Path baseDirectory;
    private final DemoGuest guest;
    private final DemoScreen screen;
    private final List<Chapter> chapters = new ArrayList<>();
    private final List<Fact> facts = new ArrayList<>();
    private long blocksWithBallast = -1;
    private String shellAnswer = "";

    /** A step that was taken. */
    private record Chapter(DemoJobs.Step step, EmbeddedJob job, DemoScreen.Life machine, long imageBlocks) {
        boolean promoted() {
            return outcome()
                    .filter(how -> how.disk() == MachineOutcome.Disk.PROMOTED)
                    .isPresent();
        }

        Optional<MachineOutcome> outcome() {
            return machine.last().outcome();
        }

        /** The files that the job found. */
        List<String> saw() {
            Matcher line = SEES.matcher(job.log());
            return line.find()
                    ? Stream.of(line.group(1).strip().split("\\s+"))
                            .filter(name -> !name.isEmpty())
                            .toList()
                    : List.of("(nothing was said)");
        }
    }

    private record Fact(String text, boolean holds, String evidence) {}

    DemoStory(
            EmbeddedGitHub gitHub,
            RepositoryId repository,
            String machineType,
            Path baseDirectory,
            DemoGuest guest,
            DemoScreen screen) {
        this.gitHub = gitHub;
        this.repository = repository;
        this.machineType = machineType;
        this.baseDirectory = baseDirectory;
        this.guest = guest;
        this.screen = screen;
    }

    /** Tells it all. Throws if a job does not come to its end in time. */
    void tell() throws InterruptedException, TimeoutException, IOException {
        for (DemoJobs.Step step : DemoJobs.story(guest.ballastMebibytes())) {
            screen.say("");
            screen.say("Job " + (chapters.size() + 1) + ", " + step.title());
            chapters.add(live(step));
        }
        checkFacts();
    }

    private Chapter live(DemoJobs.Step step) throws InterruptedException, TimeoutException, IOException {
        JobId id = gitHub.queueJob(new EmbeddedGitHub.JobRequest(
                repository,
                step.title(),
                step.event(),
                List.of("self-hosted", "forrest", machineType),
                step.script(),
                false));
        if (step.script().contains(DemoJobs.WAITS_FOR_SHELL)) {
            talkToShell(id);
        }
        DemoScreen.Life machine = screen.await(
                step.title(),
                guest.longestJob(),
                lives -> gitHub.job(id).runnerName().map(lives::get).filter(life -> life != null && life.isOver()));
        Path image = machineImage();
        return new Chapter(step, gitHub.job(id), machine, Files.exists(image) ? allocatedBlocks(image) : 0);
    }

    private void talkToShell(JobId id) throws InterruptedException, TimeoutException, IOException {
        Path run = screen.await("the first job's way to its machine", guest.longestJob(), lives -> gitHub.job(id)
                .runnerName()
                .map(this::runDirectory));
        try (GuestShell shell = GuestShell.connect(run.resolve("shell.sock"))) {
            shellAnswer = shell.ask("id -u", SHELL_PATIENCE);
            shell.ask("until [ -e " + DemoJobs.WAITS_FOR_SHELL + " ]; do sleep 1; done", SHELL_PATIENCE);
            blocksWithBallast = allocatedBlocks(run.resolve("disk.img"));
            shell.ask("touch " + DemoJobs.SHELL_WAS_HERE, SHELL_PATIENCE);
        }
    }

    private Path runDirectory(String runnerName) {
        return baseDirectory
                .resolve("runs")
                .resolve(repository.toString())
                .resolve(machineType)
                .resolve(runnerName);
    }

    private Path machineImage() {
        return baseDirectory.resolve("machines").resolve(repository.toString()).resolve(machineType + ".img");
    }

    private static long allocatedBlocks(Path file) throws IOException {
        return Long.parseLong(
                HostCommand.run("stat", "--format=%b", file.toString()).strip());
    }

    private void checkFacts() throws IOException {
        Chapter first = chapters.get(0);
        Chapter pullRequest = chapters.get(1);
        Chapter next = chapters.get(2);
        Chapter wrongToken = chapters.get(3);
        for (Chapter chapter : chapters) {
            fact(
                    "The job \"" + chapter.step().title() + "\" ended well.",
                    chapter.job().conclusion().equals(Optional.of("success")),
                    chapter.job().conclusion().orElse("not over"));
        }
        fact("The first job started from the src image.", first.saw().isEmpty(), "it saw " + first.saw());
        fact("It presented the token, so its disk was promoted.", first.promoted(), words(first));
        fact(
                "The root shell on shell.sock answered while it ran.",
                shellAnswer.equals("0"),
                "id -u said \"" + shellAnswer + "\"");
        fact(
                "fstrim gave the space of deleted files back to the host.",
                first.imageBlocks() > 0 && first.imageBlocks() < blocksWithBallast,
                blocksWithBallast / 2048 + " MiB before, " + first.imageBlocks() / 2048 + " MiB promoted");
        fact(
                "The pull request's job saw what main had left.",
                pullRequest.saw().equals(List.of("main")),
                "it saw " + pullRequest.saw());
        fact("It had no token, so its disk was thrown away.", !pullRequest.promoted(), words(pullRequest));
        fact(
                "The next job on main saw main's file and not the pull request's.",
                next.saw().equals(List.of("main")),
                "it saw " + next.saw());
        fact("A wrong token promotes nothing.", !wrongToken.promoted(), words(wrongToken));
        fact(
                "GitHub has no runner left.",
                gitHub.runners().isEmpty(),
                gitHub.runners().size() + " runners");
        List<Path> disks = leftOverDisks();
        fact("No disk is left in a run directory.", disks.isEmpty(), disks.size() + " disks");
    }

    private static String words(Chapter chapter) {
        return chapter.outcome().map(DemoScreen::words).orElse("not over");
    }

    private List<Path> leftOverDisks() throws IOException {
        try (Stream<Path> files = Files.walk(baseDirectory.resolve("runs"))) {
            return files.filter(file -> file.toString().endsWith(".img")).toList();
        }
    }

    private void fact(String text, boolean holds, String evidence) {
        facts.add(new Fact(text, holds, evidence));
    }

    /** Prints the jobs and the facts; returns whether all facts hold. */
    boolean report() {
        screen.say("");
        screen.say("%-30s %12s %14s %10s  %s".formatted("job", "VM started", "runner online", "done", "disk"));
        for (Chapter chapter : chapters) {
            Instant queued = chapter.job().createdAt();
            screen.say("%-30s %12s %14s %10s  %s"
                    .formatted(
                            chapter.step().title(),
                            after(queued, chapter.machine().last().vmStartedAt()),
                            after(queued, chapter.machine().onlineAt()),
                            after(queued, chapter.job().completedAt()),
                            words(chapter)));
        }
        screen.say("(times since the job was queued)");
        screen.say("");
        for (Fact fact : facts) {
            screen.say((fact.holds() ? "  ok      " : "  FAILED  ")
                    + fact.text()
                    + (fact.holds() ? "" : " Instead: " + fact.evidence() + "."));
        }
        return !facts.isEmpty() && facts.stream().allMatch(Fact::holds);
    }

    private static String after(Instant queued, Optional<Instant> moment) {
        return moment.map(at -> DemoScreen.seconds(Duration.between(queued, at)))
                .orElse("-");
    }

    /** The last of what the newest machine's guest said, for people who ask why. */
    String lastGuestWords() {
        try (Stream<Path> files = Files.walk(baseDirectory.resolve("runs"))) {
            Optional<Path> newest = files.filter(file -> file.endsWith("log.txt"))
                    .max((a, b) ->
                            Long.compare(a.toFile().lastModified(), b.toFile().lastModified()));
            if (newest.isEmpty()) {
                return "";
            }
            String log = Files.readString(newest.get(), StandardCharsets.ISO_8859_1);
            return log.substring(Math.max(0, log.length() - 3000));
        } catch (IOException e) {
            return "";
        }
    }
}
