package io.forrest.launcher.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.JobId;
import io.forrest.launcher.Eventually;
import io.forrest.testing.FakeVm;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.StreamSupport;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

public class ControlRoutesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private ControlledForrest forrest;
    private ControlClient client;

    @BeforeMethod
    public void start() throws Exception {
        forrest = new ControlledForrest("c.sock");
        client = new ControlClient(forrest.directory().resolve("c.sock"));
    }

    @AfterMethod(alwaysRun = true)
    public void stop() {
        forrest.close();
    }

    private List<String> states() throws Exception {
        return StreamSupport.stream(client.get("/machines").spliterator(), false)
                .map(machine -> machine.path("state").asText())
                .toList();
    }

    @Test
    public void machinesAreToldWithTheirJobsAndWithWhatTheyWaitFor() throws Exception {
        JobId job = forrest.queue();
        FakeVm vm = forrest.startJob(job);
        forrest.queue();
        Eventually.holds(
                "one runs and one waits",
                PATIENCE,
                () -> states().equals(List.of("running", "requested"))
                        && client.get("/machines")
                                .get(1)
                                .path("reason")
                                .asText()
                                .contains("RAM"));

        JsonNode machines = client.get("/machines");
        JsonNode running = machines.get(0);
        assertThat(running.path("id").asText()).isEqualTo(vm.spec().machine().runnerName());
        assertThat(running.path("type").asText()).isEqualTo("acme/firmware/build");
        assertThat(running.path("job").asLong()).isEqualTo(job.value());
        assertThat(running.path("since").asText()).isEqualTo(ControlledForrest.NOW.toString());
        assertThat(running.path("ram_bytes").asLong()).isEqualTo(1L << 30);
        assertThat(running.path("process_id").asLong()).isEqualTo(vm.processId().orElseThrow());
        assertThat(machines.get(1).has("job")).isFalse();
        assertThat(machines.get(1).has("process_id")).isFalse();
    }

    @Test
    public void theBooksHaveWhatIsClaimed() throws Exception {
        assertThat(client.get("/books").path("claimed_ram_bytes").asLong()).isZero();
        forrest.startJob(forrest.queue());
        JsonNode books = client.get("/books");
        assertThat(books.path("machines").asInt()).isEqualTo(1);
        assertThat(books.path("claimed_ram_bytes").asLong()).isEqualTo(1L << 30);
        assertThat(books.path("claimed_disk_bytes").isIntegralNumber()).isTrue();
    }

    @Test
    public void aDrainedForrestLetsJobsEndAndTakesNoOther() throws Exception {
        JobId job = forrest.queue();
        FakeVm vm = forrest.startJob(job);
        JobId second = forrest.queue();
        Eventually.holds(
                "it runs, and another waits", PATIENCE, () -> states().equals(List.of("running", "requested")));
        assertThat(client.get("/drain").path("draining").asBoolean()).isFalse();

        client.post("/drain");
        // To ask twice does no harm.
        client.post("/drain");
        JsonNode drain = client.get("/drain");
        assertThat(drain.path("draining").asBoolean()).isTrue();
        assertThat(drain.path("machines").findValuesAsText("id"))
                .containsExactly(vm.spec().machine().runnerName());
        assertThat(vm.isRunning()).isTrue();

        forrest.finish(vm, job);
        Eventually.holds("no machine is left", PATIENCE, () -> states().isEmpty());
        forrest.queue();
        assertThat(states()).as("machines for job %s and another", second).isEmpty();
    }

    @Test
    public void aForrestThatEndsSaysSo() throws Exception {
        forrest.closeForrest();
        assertThatThrownBy(() -> client.get("/machines"))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll("503", "closed");
    }

    @Test
    public void whatIsNotThereIsRefusedWithWhatIs() {
        for (String path : List.of("/", "/webhook", "/machines/x")) {
            assertThatThrownBy(() -> client.get(path)).hasMessageContainingAll("404", "GET /machines", "POST /drain");
        }
        assertThatThrownBy(() -> client.post("/machines")).hasMessageContaining("404");
    }

    @Test
    public void whoListensNoMoreAndWhoNeverDidDoesNotRun() throws Exception {
        ControlClient never =
                new ControlClient(Files.createTempDirectory("nobody").resolve("c.sock"));
        assertThatThrownBy(() -> never.get("/machines")).isInstanceOf(ControlClient.NotRunningException.class);
        Path left = Files.createTempDirectory("killed").resolve("c.sock");
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(left));
        }
        assertThat(left).exists();
        assertThatThrownBy(() -> new ControlClient(left).get("/machines"))
                .isInstanceOf(ControlClient.NotRunningException.class);
    }
}
