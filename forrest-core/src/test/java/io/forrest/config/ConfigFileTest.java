package io.forrest.config;

import static io.forrest.config.ConfigTexts.NEEDED;
import static io.forrest.config.ConfigTexts.machine;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import io.forrest.testing.ManualClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class ConfigFileTest {
    private static final String GOOD = machine(NEEDED);
    private static final String BETTER = GOOD.replace("ram: 120G", "ram: 240G").replace("cpus: 2", "cpus: 4");
    private static final String BROKEN = GOOD.replace("cpus: 2", "cpus: two").replace("ram: 4G", "ram: 4");

    private final List<String> news = new ArrayList<>();
    private final List<String> complaints = new ArrayList<>();
    private ManualClock clock;
    private Path file;
    private int versions;

    @BeforeMethod
    public void makeFile() throws IOException {
        news.clear();
        complaints.clear();
        clock = new ManualClock(Instant.parse("2026-11-24T10:31:07Z"));
        file = Files.createTempDirectory("config").resolve("config.yaml");
        write(file, GOOD);
    }

    /** Writes a version whose time is not that of any other. */
    private void write(Path target, String yaml) throws IOException {
        Files.writeString(target, yaml);
        Files.setLastModifiedTime(target, FileTime.from(Instant.EPOCH.plusSeconds(++versions)));
    }

    private ConfigFile open() throws ConfigException {
        return ConfigFile.openUnwatched(file, ConfigTexts.HYPERVISORS, clock, news::add, complaints::add);
    }

    /** Looks as often as it takes to believe that nobody is writing. */
    private void look(ConfigFile config) {
        clock.advance(Duration.ofSeconds(1));
        config.look();
        clock.advance(Duration.ofSeconds(1));
        config.look();
    }

    private static int cpus(ConfigFile config) {
        return config.current()
                .repositories()
                .values()
                .iterator()
                .next()
                .machines()
                .get("build")
                .cpus();
    }

    @Test
    public void aChangedFileReplacesTheModel() throws Exception {
        ConfigFile config = open();
        write(file, BETTER);
        assertThat(cpus(config)).isEqualTo(2);
        look(config);
        assertThat(cpus(config)).isEqualTo(4);
        assertThat(config.current().host().ram()).isEqualTo(DataSize.ofGibibytes(240));
        assertThat(news).containsExactly(file + " has changed and was read again.");
        assertThat(complaints).isEmpty();
    }

    @Test
    public void whatStaysOfThePastAndWhatIsReservedForMachinesChangeWithTheFile() throws Exception {
        ConfigFile config = open();
        write(
                file,
                GOOD.replace(
                        "ram: 120G", "ram: 120G\n  disk_reserve: 9G\n  retention: {generations: 2, log_size: 1M}"));
        look(config);
        assertThat(config.current().host().diskReserve()).isEqualTo(DataSize.ofGibibytes(9));
        assertThat(config.current().host().retention().generations()).isEqualTo(2);
        assertThat(config.current().host().retention().logSize()).isEqualTo(DataSize.ofMebibytes(1));
        assertThat(news).containsExactly(file + " has changed and was read again.");
    }

    @Test
    public void aFileThatStaysTheSameIsNotReadAgain() throws Exception {
        ConfigFile config = open();
        ForrestConfig before = config.current();
        look(config);
        assertThat(config.current()).isSameAs(before);
        assertThat(news).isEmpty();
    }

    @Test
    public void aFileThatIsBeingWrittenIsNotReadUntilItStaysTheSame() throws Exception {
        ConfigFile config = open();
        write(file, BROKEN);
        config.look();
        write(file, BROKEN + "# more\n");
        config.look();
        write(file, BETTER);
        config.look();
        assertThat(cpus(config)).isEqualTo(2);
        config.look();
        assertThat(cpus(config)).isEqualTo(4);
        assertThat(complaints).isEmpty();
    }

    @Test
    public void aBrokenFileIsToldOnceWithAllItsProblemsAndTheOldOneStays() throws Exception {
        ConfigFile config = open();
        write(file, BROKEN);
        look(config);
        look(config);
        assertThat(cpus(config)).isEqualTo(2);
        assertThat(complaints)
                .singleElement()
                .asString()
                .startsWith(file + " has 2 problems. Forrest keeps using the version read at 10:31:07.\n  line ")
                .contains(".cpus\n", ".ram\n");
        assertThat(news).isEmpty();

        write(file, BETTER);
        look(config);
        assertThat(cpus(config)).isEqualTo(4);
        write(file, BROKEN);
        look(config);
        assertThat(complaints).hasSize(2);
        assertThat(complaints.get(1)).contains("the version read at 10:31:13.");
    }

    @Test
    public void aVersionOfAnotherDayIsToldWithItsDay() throws Exception {
        ConfigFile config = open();
        clock.advance(Duration.ofDays(1));
        write(file, BROKEN);
        look(config);
        assertThat(complaints).singleElement().asString().contains("read at 2026-11-24 10:31:07.");
    }

    @Test
    public void aFileThatGoesAwayIsToldOnceAndReadWhenItIsBack() throws Exception {
        ConfigFile config = open();
        Files.delete(file);
        look(config);
        look(config);
        assertThat(cpus(config)).isEqualTo(2);
        assertThat(complaints).singleElement().asString().contains("The file does not exist.");
        write(file, BETTER);
        look(config);
        assertThat(cpus(config)).isEqualTo(4);
    }

    @Test
    public void aChangeBehindASymbolicLinkIsSeen() throws Exception {
        Path target = file.resolveSibling("target.yaml");
        Files.move(file, target);
        Files.createSymbolicLink(file, target.getFileName());
        ConfigFile config = open();
        write(target, BETTER);
        look(config);
        assertThat(cpus(config)).isEqualTo(4);
    }

    @Test
    public void aSymbolicLinkThatIsTurnedElsewhereIsSeenThoughTimeAndSizeAreTheSame() throws Exception {
        Path one = file.resolveSibling("one.yaml");
        Path two = file.resolveSibling("two.yaml");
        Files.move(file, one);
        Files.writeString(two, GOOD.replace("cpus: 2", "cpus: 9"));
        Files.setLastModifiedTime(two, Files.getLastModifiedTime(one));
        Files.createSymbolicLink(file, one.getFileName());
        ConfigFile config = open();
        Path turned = Files.createSymbolicLink(file.resolveSibling("turned"), two.getFileName());
        Files.move(turned, file, StandardCopyOption.ATOMIC_MOVE);
        look(config);
        assertThat(cpus(config)).isEqualTo(9);
    }

    @Test
    public void whatIsReadOnlyAtTheStartKeepsItsValueAndIsToldOnce() throws Exception {
        ConfigFile config = open();
        ForrestConfig before = config.current();
        String moved = BETTER.replace("base_dir: /var/lib/forrest", "base_dir: /srv\n  qemu: {accelerator: tcg}")
                .replace("webhook_secret: hush-webhook", "webhook_secret: hush-new");
        write(file, moved);
        look(config);
        assertThat(news)
                .containsExactly(
                        file + " has changed and was read again.",
                        file + ": the change of host.base_dir, host.qemu, github.webhook_secret takes effect at the"
                                + " next start of Forrest.");
        assertThat(config.current().host().baseDirectory())
                .isEqualTo(before.host().baseDirectory());
        assertThat(config.current().host().hypervisorSettings()).isEmpty();
        assertThat(config.current().github()).isEqualTo(before.github());
        assertThat(cpus(config)).isEqualTo(4);

        write(file, moved.replace("cpus: 4", "cpus: 8"));
        look(config);
        assertThat(cpus(config)).isEqualTo(8);
        assertThat(news).hasSize(3);
    }

    @Test
    public void whatWentBackToItsFirstValueWaitsForNothing() throws Exception {
        ConfigFile config = open();
        write(file, GOOD.replace("ram: 120G", "ram: 120G\n  listen: 127.0.0.1:80"));
        look(config);
        write(file, GOOD);
        look(config);
        assertThat(news).hasSize(3);
        assertThat(news.get(1)).contains("host.listen takes effect at the next start");
        assertThat(news.get(2)).contains("was read again");
    }

    @Test
    public void aBrokenFileCannotBeOpened() throws Exception {
        write(file, BROKEN);
        assertThatThrownBy(() -> ConfigFile.open(file, ConfigTexts.HYPERVISORS, clock))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith(file + " has 2 problems.\n");
    }

    @Test(timeOut = 60_000)
    public void aThreadOfItsOwnLooksUntilTheFileIsClosed() throws Exception {
        CompletableFuture<Thread> reader = new CompletableFuture<>();
        Thread watcher;
        try (ConfigFile config = ConfigFile.open(file, List.of(new WatchedFactory(reader)), Clock.systemUTC())) {
            assertThat(reader).isNotDone();
            write(file, BETTER.replace("ram: 240G", "ram: 240G\n  qemu: {accelerator: kvm}"));
            watcher = reader.get(30, TimeUnit.SECONDS);
            assertThat(watcher.getName()).isEqualTo("forrest-config");
            assertThat(watcher.isDaemon()).isTrue();
            assertThat(config.current().host().hypervisorSettings()).isEmpty();
        }
        watcher.join(20_000);
        assertThat(watcher.isAlive()).isFalse();
    }

    /** Tells which thread reads a changed file: reading it checks the hypervisor's settings. */
    private record WatchedFactory(CompletableFuture<Thread> reader) implements HypervisorFactory {
        @Override
        public String name() {
            return "qemu";
        }

        @Override
        public List<HostProblem> checkSettings(Map<String, String> settings) {
            reader.complete(Thread.currentThread());
            return List.of();
        }

        @Override
        public Hypervisor create(Map<String, String> settings) {
            throw new AssertionError("not to be made");
        }
    }
}
