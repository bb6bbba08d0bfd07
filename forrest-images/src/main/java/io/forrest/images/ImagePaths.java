package io.forrest.images;

import io.forrest.domain.MachineTypeId;
import java.nio.file.Path;

/** Where machine images are; the reference's layout. */
record ImagePaths(Path baseDirectory) {
    Path image(MachineTypeId type) {
        return baseDirectory
                .resolve("machines")
                .resolve(type.repository().owner())
                .resolve(type.repository().name())
                .resolve(type.type() + ".img");
    }

    Path broken(MachineTypeId type) {
        Path image = image(type);
        return image.resolveSibling(image.getFileName() + ".broken");
    }
}
