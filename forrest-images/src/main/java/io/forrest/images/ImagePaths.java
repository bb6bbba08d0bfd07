package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import java.nio.file.Path;

/** Where machine images and their generations are; the machine image's place is the reference's. */
record ImagePaths(Path baseDirectory) {
    /** Above all types' directories, {@code owner/repository} each. */
    Path machines() {
        return baseDirectory.resolve("machines");
    }

    Path image(MachineTypeId type) {
        return sibling(type, type.type() + ".img");
    }

    /** The state that each machine's TPM starts with, if they have one. */
    Path tpmState(MachineTypeId type) {
        return sibling(type, type.type() + ".swtpm");
    }

    Path broken(MachineTypeId type) {
        return sibling(type, type.type() + ".img.broken");
    }

    /** A machine image that is not yet one; no type's name begins with a dot. */
    Path nextImage(MachineTypeId type) {
        return sibling(type, "." + type.type() + ".img.next");
    }

    Path generations(MachineTypeId type) {
        return sibling(type, type.type() + ".generations");
    }

    Path generation(MachineTypeId type, int number) {
        return generations(type).resolve(number + ".img");
    }

    Path record(MachineTypeId type, int number) {
        return generations(type).resolve(number + ".json");
    }

    Path lock(MachineTypeId type) {
        return generations(type).resolve("lock");
    }

    private Path sibling(MachineTypeId type, String name) {
        return machines()
                .resolve(type.repository().owner())
                .resolve(type.repository().name())
                .resolve(name);
    }
}
