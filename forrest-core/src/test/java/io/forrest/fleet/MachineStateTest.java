package io.forrest.fleet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.config.MachineType;
import io.forrest.domain.MachineId;
import io.forrest.testing.TestConfigs;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class MachineStateTest {
    private static final MachineType TYPE = TestConfigs.type("build", "1G");

    @DataProvider
    public Object[][] pairs() {
        List<Object[]> pairs = new ArrayList<>();
        for (MachineState from : MachineState.values()) {
            for (MachineState to : MachineState.values()) {
                pairs.add(new Object[] {from, to});
            }
        }
        return pairs.toArray(Object[][]::new);
    }

    /** A new machine, led to {@code state} by legal moves only. */
    private static Machine machineIn(MachineState state) {
        Map<MachineState, Machine> reached = new HashMap<>();
        reached.put(MachineState.REQUESTED, new Machine(MachineId.random(TYPE.id()), TYPE, Instant.EPOCH));
        Map<MachineState, MachineState> cameFrom = new HashMap<>();
        Deque<MachineState> open = new ArrayDeque<>(reached.keySet());
        while (!open.isEmpty()) {
            MachineState at = open.removeFirst();
            for (MachineState next : at.next()) {
                if (next != MachineState.REQUESTED && cameFrom.putIfAbsent(next, at) == null) {
                    open.add(next);
                }
            }
        }
        Deque<MachineState> way = new ArrayDeque<>();
        for (MachineState at = state; at != MachineState.REQUESTED; at = cameFrom.get(at)) {
            way.addFirst(at);
        }
        Machine machine = reached.get(MachineState.REQUESTED);
        way.forEach(step -> machine.moveTo(step, Instant.EPOCH, "test"));
        return machine;
    }

    @Test(dataProvider = "pairs")
    public void everyMoveIsEitherLegalOrThrows(MachineState from, MachineState to) {
        Machine machine = machineIn(from);
        if (from.next().contains(to)) {
            machine.moveTo(to, Instant.EPOCH, "why");
            assertThat(machine.state()).isEqualTo(to);
        } else {
            assertThatThrownBy(() -> machine.moveTo(to, Instant.EPOCH, "why"))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining(from + " to " + to);
            assertThat(machine.state()).isEqualTo(from);
        }
    }

    @Test
    public void everyStateButTheLastLeadsOnwardsAndNeverBack() {
        for (MachineState state : MachineState.values()) {
            assertThat(state.next()).allMatch(next -> next.compareTo(state) > 0);
            assertThat(state.next().isEmpty()).isEqualTo(state == MachineState.STOPPED);
        }
    }
}
