package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class SuggestionTest {
    private static final List<String> KEYS =
            List.of("base_machine", "base_image", "cpus", "disk", "ram", "use_base", "shared", "artifacts");

    @DataProvider
    public Object[][] slips() {
        return new Object[][] {
            {"base_machne", "base_machine"},
            {"base-machine", "base_machine"},
            {"baseImage", "base_image"},
            {"CPUs", "cpus"},
            {"cpu", "cpus"},
            {"rma", "ram"},
            {"artefacts", "artifacts"},
            {"share", "shared"},
        };
    }

    @Test(dataProvider = "slips")
    public void aSlipIsRecognised(String typed, String meant) {
        assertThat(Suggestion.closest(typed, KEYS)).contains(meant);
    }

    @DataProvider
    public Object[][] otherWords() {
        return new Object[][] {{"name"}, {"x"}, {"memory"}, {"network"}, {"a".repeat(100_000)}, {""}};
    }

    @Test(dataProvider = "otherWords")
    public void anotherWordIsNotTakenForASlip(String typed) {
        assertThat(Suggestion.closest(typed, KEYS)).isEmpty();
    }

    @Test
    public void swappedNeighboursAreOneStep() {
        assertThat(Suggestion.distance("rma", "ram")).isEqualTo(1);
        assertThat(Suggestion.distance("kitten", "sitting")).isEqualTo(3);
        assertThat(Suggestion.distance("", "abc")).isEqualTo(3);
    }
}
