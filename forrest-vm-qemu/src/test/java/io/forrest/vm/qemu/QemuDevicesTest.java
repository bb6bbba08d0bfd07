package io.forrest.vm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.MacAddress;
import io.forrest.spi.VmExit;
import io.forrest.spi.VmSpec;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.VdeSwitch;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** The PCI bus as a guest finds it. Guests in the field match on its slots: {@code enp0s4} is a network interface in slot 4. */
@Test(groups = "qemu")
public class QemuDevicesTest {
    private static final int SLOTS = 32;

    /** By vendor and device. */
    private static final Map<String, String> NAMES = Map.of(
            "8086:29c0", "host bridge",
            "8086:2918", "chipset",
            "1af4:1000", "network",
            "1af4:1001", "disk",
            "1af4:1005", "random numbers",
            "1af4:1009", "share",
            "1234:1111", "graphics");

    @BeforeClass
    public void needPrograms() {
        HostNeeds.program("qemu-system-x86_64");
        HostNeeds.program("swtpm");
    }

    /** What is in which slot, as a guest with these devices finds it. */
    private static Map<Integer, String> bus(int interfaces, int shares, int readOnlyDisks, boolean tpm)
            throws Exception {
        try (QemuRun run = new QemuRun(QemuRun.SAY_THE_PCI_BUS);
                VdeSwitch vde = new VdeSwitch()) {
            List<VmSpec.NetworkInterface> nics = new ArrayList<>();
            for (int i = 0; i < interfaces; i++) {
                nics.add(new VmSpec.NetworkInterface(vde.directory(), MacAddress.fromRandom(i)));
            }
            List<VmSpec.SharedDirectory> directories = new ArrayList<>();
            for (int i = 0; i < shares; i++) {
                directories.add(new VmSpec.SharedDirectory(Files.createTempDirectory("share"), "share" + i, false));
            }
            List<VmSpec.ReadOnlyDisk> disks = new ArrayList<>();
            for (int i = 0; i < readOnlyDisks; i++) {
                Path file = Files.write(run.directory.resolve("archive" + i), new byte[700]);
                disks.add(new VmSpec.ReadOnlyDisk("archive" + i, file));
            }
            Optional<Path> state =
                    Optional.of(run.directory.resolve("tpm.swtpm")).filter(file -> tpm);
            if (tpm) {
                QemuRun.writeTpmState(state.get());
            }
            VmExit end = QemuRun.await(run.hypervisor().start(run.specWith(disks, nics, directories, state)));
            assertThat(end.kind()).as(end.reason()).isEqualTo(VmExit.Kind.CLEAN);
            return decode(Files.readString(run.log(), StandardCharsets.ISO_8859_1));
        }
    }

    private static Map<Integer, String> decode(String log) {
        ByteBuffer words = ByteBuffer.wrap(
                        log.substring(log.length() - SLOTS * 4).getBytes(StandardCharsets.ISO_8859_1))
                .order(ByteOrder.LITTLE_ENDIAN);
        Map<Integer, String> bus = new TreeMap<>();
        for (int slot = 0; slot < SLOTS; slot++) {
            int word = words.getInt();
            if (word != -1) {
                String id = "%04x:%04x".formatted(word & 0xffff, word >>> 16);
                bus.put(slot, NAMES.getOrDefault(id, id));
            }
        }
        return bus;
    }

    private static Map<Integer, String> slots(String... devices) {
        Map<Integer, String> bus = new TreeMap<>();
        for (int slot = 0; slot < devices.length; slot++) {
            bus.put(slot, devices[slot]);
        }
        bus.put(31, "chipset");
        return bus;
    }

    @Test
    public void theFirstExtraNetworkInterfaceIsInSlot4() throws Exception {
        assertThat(bus(2, 0, 0, false))
                .isEqualTo(slots("host bridge", "network", "random numbers", "graphics", "network", "network", "disk"));
    }

    @Test
    public void aTpmAndReadOnlyDisksMoveNothing() throws Exception {
        Map<Integer, String> expected =
                slots("host bridge", "network", "random numbers", "graphics", "network", "network", "disk");
        expected.put(29, "disk");
        expected.put(30, "disk");
        assertThat(bus(2, 0, 2, true)).isEqualTo(expected);
    }

    /** As the reference has it: its shares come before its extra network interfaces. */
    @Test
    public void sharedDirectoriesAreInTheSlotsBeforeTheExtraNetworkInterfaces() throws Exception {
        Map<Integer, String> expected =
                slots("host bridge", "network", "random numbers", "graphics", "share", "share", "network", "disk");
        expected.put(30, "disk");
        assertThat(bus(1, 2, 1, true)).isEqualTo(expected);
    }
}
