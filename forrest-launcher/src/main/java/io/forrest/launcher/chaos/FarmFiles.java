package io.forrest.launcher.chaos;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.forrest.launcher.chaos.Evidence.Generation;
import io.forrest.launcher.chaos.Evidence.MachineRecord;
import io.forrest.launcher.chaos.Evidence.TypeImages;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Reads what daemons left in a base directory, as files and formats are documented. */
final class FarmFiles {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern GENERATION = Pattern.compile("([1-9][0-9]*)\\.img");
    private static final String RESCUED = "disk.img.rescued";
    private static final List<String> VOLUMES = List.of("disk.img", "cloud-init.img", "job-config.img");

    private final Path baseDirectory;
    private final Path scratch;

    /** {@code scratch} does not exist, and does not after each call. */
    FarmFiles(Path baseDirectory, Path scratch) {
        this.baseDirectory = baseDirectory;
        this.scratch = scratch;
    }

    /** Volumes of machines, below all run directories. */
    List<Path> volumes() throws IOException {
        List<Path> found = new ArrayList<>();
        for (String type : ChaosPlan.MACHINE_TYPES) {
            for (Path run : children(runs(type))) {
                found.addAll(volumes(run));
            }
        }
        return found;
    }

    private static List<Path> volumes(Path run) {
        return VOLUMES.stream().map(run::resolve).filter(Files::exists).toList();
    }

    /** {@code killed} are the machines whose VMs we killed, by runner name. */
    List<MachineRecord> machines(Set<String> killed) throws IOException {
        List<MachineRecord> machines = new ArrayList<>();
        for (String type : ChaosPlan.MACHINE_TYPES) {
            for (Path run : children(runs(type))) {
                String name = run.getFileName().toString();
                Path log = run.resolve("log.txt");
                Path rescued = run.resolve(RESCUED);
                machines.add(new MachineRecord(
                        name,
                        type,
                        run,
                        Files.exists(log) ? Files.readString(log, StandardCharsets.ISO_8859_1) : "",
                        killed.contains(name),
                        volumes(run),
                        Files.exists(rescued) ? Optional.of(ImageContent.read(rescued, scratch)) : Optional.empty()));
            }
        }
        return machines;
    }

    Map<String, TypeImages> images() throws IOException {
        Map<String, TypeImages> images = new TreeMap<>();
        for (String type : ChaosPlan.MACHINE_TYPES) {
            images.put(type, images(type));
        }
        return images;
    }

    private TypeImages images(String type) throws IOException {
        Path image = of("machines").resolve(type + ".img");
        List<Generation> generations = new ArrayList<>();
        for (Path file : children(of("machines").resolve(type + ".generations"))) {
            Matcher name = GENERATION.matcher(file.getFileName().toString());
            if (name.matches()) {
                generations.add(generation(Integer.parseInt(name.group(1)), file));
            }
        }
        generations.sort(Comparator.comparing(Generation::number));
        Optional<ImageContent> content =
                Files.exists(image) ? Optional.of(ImageContent.read(image, scratch)) : Optional.empty();
        Optional<Path> newest = generations.stream()
                .filter(Generation::isGood)
                .reduce((older, newer) -> newer)
                .map(Generation::file);
        boolean same = newest.isPresent() && content.isPresent() && Files.mismatch(newest.get(), image) < 0;
        return new TypeImages(image, content, generations, same || (newest.isEmpty() && content.isEmpty()));
    }

    private Generation generation(int number, Path file) throws IOException {
        Path record = file.resolveSibling(number + ".json");
        JsonNode provenance = Files.exists(record) ? JSON.readTree(record.toFile()) : MissingNode.getInstance();
        return new Generation(
                number,
                file,
                Optional.ofNullable(provenance.path("machine").textValue()),
                Optional.ofNullable(provenance.path("parent").textValue()),
                !provenance.has("setAside"),
                ImageContent.read(file, scratch));
    }

    private Path runs(String type) {
        return of("runs").resolve(type);
    }

    private Path of(String room) {
        return baseDirectory.resolve(room).resolve(ChaosFarm.REPOSITORY.owner()).resolve(ChaosFarm.REPOSITORY.name());
    }

    private static List<Path> children(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }
}
