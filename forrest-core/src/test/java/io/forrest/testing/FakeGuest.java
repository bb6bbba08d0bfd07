package io.forrest.testing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What goes on in a {@link FakeVm}. Returning is the guest's power-off; throwing is the VM's crash. When the VM is ended
 * from outside its thread is interrupted, and the guest gives way at once.
 */
@FunctionalInterface
public interface FakeGuest {
    void run(FakeVm vm) throws Exception;

    /** Does what {@link Program} the first disk begins with. */
    static FakeGuest asTheDiskSays() {
        return vm -> Program.of(vm.disk(0)).run(vm);
    }

    /** Guests that can be written to a disk. A disk without one runs for ever, as with a boot loader that hangs. */
    enum Program {
        POWER_OFF,
        CRASH,
        RUN_FOR_EVER;

        private static final int MOST_BYTES = 64;

        private void run(FakeVm vm) throws IOException, InterruptedException {
            switch (this) {
                case POWER_OFF -> vm.print("The fake guest powers off.\n");
                case CRASH -> {
                    vm.print("The fake guest crashes.\n");
                    throw new IllegalStateException("as its disk says");
                }
                case RUN_FOR_EVER -> vm.runForEver();
            }
        }

        private byte[] bytes() {
            return ("fake guest: " + name() + "\n").getBytes(StandardCharsets.UTF_8);
        }

        /** Makes a disk that begins with it. */
        public void write(Path disk) throws IOException {
            Files.write(disk, bytes());
        }

        private static Program of(Path disk) throws IOException {
            String start;
            try (InputStream in = Files.newInputStream(disk)) {
                start = new String(in.readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
            }
            for (Program program : values()) {
                if (start.startsWith(new String(program.bytes(), StandardCharsets.UTF_8))) {
                    return program;
                }
            }
            return RUN_FOR_EVER;
        }
    }
}
