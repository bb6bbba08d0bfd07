package io.forrest.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintWriter;
import java.io.StringWriter;
import org.testng.annotations.Test;
import picocli.CommandLine;

public class PollBenchTest {
    private static String run(String... arguments) {
        StringWriter out = new StringWriter();
        CommandLine command = new CommandLine(new PollBench()).setOut(new PrintWriter(out));
        assertThat(command.execute(arguments)).isZero();
        return out.toString();
    }

    @Test
    public void aSecondLookAtFiftyRepositoriesCostsNothing() throws Exception {
        JsonNode figures = new ObjectMapper().readTree(run("--json"));
        int requests = figures.path("requests").asInt();
        assertThat(requests).isBetween(50 + 100, 50 + 100 + 1);
        assertThat(figures.path("not_modified").asInt()).isGreaterThanOrEqualTo(requests - 1);
        assertThat(figures.path("rate_limit_cost").asInt()).isLessThanOrEqualTo(1);
    }

    @Test
    public void itHasATableForPeople() {
        assertThat(run("--repositories", "2", "--finished", "1", "--queued", "3")
                        .lines())
                .hasSize(4)
                .anyMatch(line -> line.matches("second look +9 +9 +0 +\\d+ ms"));
    }
}
