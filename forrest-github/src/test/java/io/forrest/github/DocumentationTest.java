package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.GitHubConfig;
import io.forrest.domain.JobId;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.Secret;
import io.forrest.github.embedded.EmbeddedGitHub;
import io.forrest.github.embedded.Faults;
import io.forrest.github.embedded.WebhookTarget;
import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.annotations.Test;

/** The example in {@code docs/github.md} is code that runs. */
public class DocumentationTest {
    private static final Pattern JAVA_BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

    @Test
    public void theExampleWorks() throws Exception {
        Path directory = Files.createTempDirectory("forrest-example");
        Path keyFile = directory.resolve("key.pem");
        try {
            example(keyFile);
        } finally {
            Files.deleteIfExists(keyFile);
            Files.delete(directory);
        }
    }

    private static void example(Path keyFile) throws Exception {
        try (EmbeddedGitHub github = new EmbeddedGitHub(Clock.systemUTC())) {
            RepositoryId repository = RepositoryId.parse("acme/firmware");
            github.addRepository(repository);
            github.writeKey(keyFile);
            GitHubConfig config = new GitHubConfig(
                    github.appId(),
                    keyFile,
                    Secret.of(github.webhookSecret()),
                    GitHubConfig.DEFAULT_POLLING_INTERVAL,
                    github.apiUrl());
            RunnerBroker broker = new GitHubRunnerBroker(new GitHubConnection(config, Clock.systemUTC()));

            // GitHub carries the request out, but its answer is lost.
            broker.list(repository);
            github.faults().failNext(1, Faults.Fault.cutThoughDone());
            MachineId machine = MachineId.random(new MachineTypeId(repository, "build"));
            assertThatThrownBy(() -> broker.register(machine)).isInstanceOf(PluginException.class);
            assertThat(github.requests()).contains("POST /repos/acme/firmware/actions/runners/generate-jitconfig cut");
            // Forrest has looked for the runner that it could not know of, and removed it.
            assertThat(github.runners()).isEmpty();

            // Webhooks go to your server: queued, in_progress, completed.
            github.webhookTarget(WebhookTarget.http(URI.create("http://127.0.0.1:8080/webhook")));
            github.faults().repeatWebhooks(2);
            JobId job = github.queueJob(EmbeddedGitHub.JobRequest.push(repository, "compile", "build", "make"));
            assertThat(github.job(job).status()).isEqualTo("queued");
        }
    }

    @Test
    public void theExampleInThePageIsTheOneAbove() throws IOException {
        Matcher block = JAVA_BLOCK.matcher(Files.readString(Path.of("../docs/github.md")));
        assertThat(block.find()).isTrue();
        String source = Files.readString(Path.of("src/test/java/io/forrest/github/DocumentationTest.java"));
        assertThat(lines(source)).containsSequence(lines(block.group(1)));
    }

    private static List<String> lines(String text) {
        return text.lines().map(String::strip).toList();
    }
}
