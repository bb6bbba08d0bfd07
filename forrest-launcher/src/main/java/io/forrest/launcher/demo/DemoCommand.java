package io.forrest.launcher.demo;

import com.google.inject.AbstractModule;
import com.google.inject.multibindings.Multibinder;
import io.forrest.ForrestListener;
import io.forrest.HostCheckException;
import io.forrest.config.ConfigException;
import io.forrest.domain.RepositoryId;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.launcher.Accelerators;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.Daemon;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forrest demo}: an embedded GitHub, the real daemon and real VMs tell the story of a machine image. */
@Command(
        name = "demo",
        description = "Tell the story of a machine image with real jobs in real VMs, without GitHub.",
        mixinStandardHelpOptions = true)
public final class DemoCommand implements Callable<Integer> {
    private static final RepositoryId REPOSITORY = new RepositoryId("acme", "firmware");
    private static final String MACHINE_TYPE = "build";
    private static final String SECRET = "PERSISTENCE_TOKEN";

    @Parameters(
            arity = "0..1",
            paramLabel = "DIRECTORY",
            description =
                    "where to work, for a moment; default: /var/tmp. If it cannot clone files, an XFS in a file is"
                            + " mounted there.")
    private Optional<Path> directory = Optional.empty();

    @Option(
            names = "--guest",
            paramLabel = "GUEST",
            defaultValue = "tiny",
            description = "tiny (a kernel and a busybox, seconds) or debian (systemd and cloud-init, minutes)")
    private DemoGuest guest;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        DemoScreen screen = new DemoScreen(out, Boolean.getBoolean("forrest.terminal"), Clock.systemUTC());
        try (CleanUp cleanUp = new CleanUp()) {
            try {
                return run(cleanUp, screen);
            } catch (IOException | ConfigException | PluginException | HostCheckException e) {
                // Who pressed Ctrl-C knows why it failed.
                if (!cleanUp.isEnding()) {
                    screen.say(e.getMessage());
                }
                return 1;
            }
        }
    }

    private int run(CleanUp cleanUp, DemoScreen screen)
            throws IOException, InterruptedException, ConfigException, PluginException, HostCheckException {
        DemoStore store = DemoStore.open(directory, cleanUp);
        Path work = store.directory();
        screen.say("store   " + store.description());
        Accelerators.Choice accelerator = Accelerators.choose();
        screen.say("VMs     QEMU with " + accelerator.name()
                + accelerator.because().map(why -> "; " + why).orElse(""));
        screen.say("guest   being built" + (guest == DemoGuest.DEBIAN ? ", of Debian's packages: some minutes" : ""));
        long beforeNanos = System.nanoTime();
        guest.install(work);
        screen.say("guest   " + DemoGuest.image(work) + ", " + guest.imageBytes(work) / (1 << 20) + " MiB, built in "
                + DemoScreen.seconds(Duration.ofNanos(System.nanoTime() - beforeNanos)));
        EmbeddedGitHub gitHub = cleanUp.add(new EmbeddedGitHub(Clock.systemUTC()));
        Path config = writeConfig(work, gitHub, accelerator.name());
        screen.say("GitHub  embedded, at " + gitHub.apiUrl());
        screen.say("config  " + config);
        Daemon daemon = cleanUp.add(Daemon.of(config, new ListenerModule(screen)));
        cleanUp.add(daemon::endMachines);
        daemon.start();
        gitHub.webhookTarget(WebhookTarget.unixSocket(Daemon.apiSocket(work.resolve("base"))));
        return tell(gitHub, work.resolve("base"), screen, cleanUp) ? 0 : 1;
    }

    private boolean tell(EmbeddedGitHub gitHub, Path baseDirectory, DemoScreen screen, CleanUp cleanUp)
            throws InterruptedException, IOException {
        DemoStory story = new DemoStory(gitHub, REPOSITORY, MACHINE_TYPE, baseDirectory, guest, screen);
        try {
            story.tell();
        } catch (TimeoutException | IOException e) {
            if (cleanUp.isEnding()) {
                return false;
            }
            screen.say("The story broke off: " + e.getMessage() + ". The guest's last words:");
            screen.say(story.lastGuestWords());
        }
        return story.report();
    }

    private Path writeConfig(Path work, EmbeddedGitHub gitHub, String accelerator) throws IOException {
        byte[] random = new byte[16];
        new SecureRandom().nextBytes(random);
        String token = HexFormat.of().formatHex(random);
        gitHub.addRepository(REPOSITORY);
        gitHub.addSecret(REPOSITORY, SECRET, token);
        Path key = work.resolve("app-key.pem");
        gitHub.writeKey(key);
        StringBuilder text = new StringBuilder(
                """
                host:
                  base_dir: %s
                  ram: 4G
                  qemu:
                    accelerator: %s
                github:
                  api_url: %s
                  app_id: "%s"
                  jwt_key_file: %s
                  webhook_secret: "%s"
                repositories:
                  %s:
                    %s:
                      persistence_token: "%s"
                      machines:
                        %s:
                """
                        .formatted(
                                work.resolve("base"),
                                accelerator,
                                gitHub.apiUrl(),
                                gitHub.appId(),
                                key,
                                gitHub.webhookSecret(),
                                REPOSITORY.owner(),
                                REPOSITORY.name(),
                                token,
                                MACHINE_TYPE));
        guest.machineType(work)
                .forEach(line -> text.append("          ").append(line).append('\n'));
        Path config = work.resolve("config.yaml");
        Files.writeString(config, text);
        return config;
    }

    /** Lets the screen hear of machines. */
    private static final class ListenerModule extends AbstractModule {
        private final ForrestListener listener;

        ListenerModule(ForrestListener listener) {
            this.listener = listener;
        }

        @Override
        protected void configure() {
            Multibinder.newSetBinder(binder(), ForrestListener.class)
                    .addBinding()
                    .toInstance(listener);
        }
    }
}
