package io.forrest.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import io.forrest.domain.DataSize;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Machines, as the control socket tells them, for people. */
final class MachineTable {
    private static final List<String> HEAD = List.of("MACHINE", "TYPE", "STATE", "FOR", "RAM", "JOB", "WHY");

    private MachineTable() {}

    /** A line for each, below a head; the columns are as wide as need be. */
    static String of(JsonNode machines, Instant now) {
        List<List<String>> rows = new ArrayList<>(List.of(HEAD));
        for (JsonNode machine : machines) {
            rows.add(List.of(
                    machine.path("id").asText(),
                    machine.path("type").asText(),
                    machine.path("state").asText(),
                    words(Duration.between(Instant.parse(machine.path("since").asText()), now)),
                    new DataSize(machine.path("ram_bytes").asLong()).toString(),
                    machine.path("job").asText("-"),
                    machine.path("reason").asText()));
        }
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < HEAD.size(); column++) {
                String cell = row.get(column);
                int index = column;
                int width = rows.stream()
                        .mapToInt(other -> other.get(index).length())
                        .max()
                        .orElse(0);
                line.append(cell).append(" ".repeat(width - cell.length() + 2));
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    /** In the two largest units, e.g. {@code 2h13m}; nobody asks for more. */
    static String words(Duration duration) {
        long seconds = Math.max(0, duration.toSeconds());
        if (seconds < 60) {
            return seconds + "s";
        }
        if (seconds < 3600) {
            return seconds / 60 + "m" + seconds % 60 + "s";
        }
        return seconds < 86400
                ? seconds / 3600 + "h" + seconds / 60 % 60 + "m"
                : seconds / 86400 + "d" + seconds / 3600 % 24 + "h";
    }
}
