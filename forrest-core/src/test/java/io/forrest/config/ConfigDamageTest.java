package io.forrest.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.testing.ManualClock;
import io.forrest.testing.MarkdownBlocks;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.testng.annotations.Test;

/** Random damage to a good file: it never comes to more than problems. */
public class ConfigDamageTest {
    private static final int DAMAGED_FILES = 3000;
    private static final byte[] INTERESTING = "\n \t:-&*<>[]{}\"'#|!%@`~,.?0\\\u0000".getBytes(StandardCharsets.UTF_8);

    @Test(timeOut = 300_000)
    public void aDamagedFileIsReadOrHasProblemsWithLinesThatItHas() throws IOException {
        byte[] good = example();
        Path file = Files.createTempFile("damaged", ".yaml");
        int refused = 0;
        for (long seed = 0; seed < DAMAGED_FILES; seed++) {
            byte[] damaged = damage(good, new Random(seed));
            Files.write(file, damaged);
            long lines = new String(damaged, StandardCharsets.ISO_8859_1)
                            .chars()
                            .filter(c -> c == '\n' || c == '\r' || c == 0x85)
                            .count()
                    + 1;
            try {
                ConfigFile.load(file, ConfigTexts.HYPERVISORS);
            } catch (ConfigException e) {
                refused++;
                assertThat(e.problems()).as("seed %d", seed).isNotEmpty().allSatisfy(problem -> {
                    assertThat((long) problem.line().orElse(1)).isBetween(1L, lines);
                    assertThat(problem.sentences()).hasSizeLessThan(2000).doesNotContain("\n", "\r", "\u001b");
                    assertThat(problem.path()).doesNotContain("\n", "\r", "\u001b");
                });
            }
        }
        // Damage that nobody notices or that always stops at the first line would prove nothing.
        assertThat(refused).isBetween(DAMAGED_FILES / 4, DAMAGED_FILES - DAMAGED_FILES / 50);
    }

    @Test(timeOut = 300_000)
    public void aFileInUseMayBeDamagedInAnyWayAndIsReadAgainWhenItIsMended() throws Exception {
        byte[] good = example();
        Path file = Files.createTempFile("damaged", ".yaml");
        Files.write(file, good);
        List<String> complaints = new ArrayList<>();
        ConfigFile config = ConfigFile.openUnwatched(
                file, ConfigTexts.HYPERVISORS, new ManualClock(Instant.EPOCH), text -> {}, complaints::add);
        ForrestConfig first = config.current();
        for (int seed = 0; seed < 300; seed++) {
            write(file, damage(good, new Random(seed)), 2 * seed);
            look(config);
            assertThat(config.current().host().baseDirectory())
                    .isEqualTo(first.host().baseDirectory());
            write(file, good, 2 * seed + 1);
            look(config);
            assertThat(config.current()).isEqualTo(first);
        }
        assertThat(complaints).hasSizeBetween(50, 300).allMatch(text -> text.contains("Forrest keeps using"));
    }

    private static void look(ConfigFile config) {
        config.look();
        config.look();
    }

    private static void write(Path file, byte[] bytes, int version) throws IOException {
        Files.write(file, bytes);
        Files.setLastModifiedTime(file, FileTime.from(Instant.EPOCH.plusSeconds(version)));
    }

    private static byte[] example() throws IOException {
        return Files.readAllBytes(MarkdownBlocks.sourceFile("docs/examples/config.yaml"));
    }

    private static byte[] damage(byte[] good, Random random) {
        byte[] bytes = good;
        for (int times = random.nextInt(4); times >= 0; times--) {
            bytes = random.nextInt(3) == 0 ? damageLines(bytes, random) : damageBytes(bytes, random);
        }
        return bytes;
    }

    private static byte[] damageBytes(byte[] good, Random random) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int at = random.nextInt(good.length + 1);
        int length = random.nextInt(1 + Math.min(good.length - at, 40));
        bytes.write(good, 0, at);
        switch (random.nextInt(5)) {
            case 0 -> bytes.write(good, at + length, good.length - at - length);
            case 1 -> {
                bytes.write(good, at, length);
                bytes.write(good, at, good.length - at);
            }
            case 2 -> {
                bytes.write(INTERESTING[random.nextInt(INTERESTING.length)]);
                bytes.write(good, at, good.length - at);
            }
            case 3 -> {
                bytes.write(random.nextInt(256));
                bytes.write(good, Math.min(at + 1, good.length), Math.max(good.length - at - 1, 0));
            }
            default -> {
                if (random.nextInt(10) > 0) {
                    bytes.write(good, at, good.length - at);
                }
            }
        }
        return bytes.size() == 0 ? good : bytes.toByteArray();
    }

    private static byte[] damageLines(byte[] good, Random random) {
        List<String> lines = new ArrayList<>(
                new String(good, StandardCharsets.ISO_8859_1).lines().toList());
        int at = random.nextInt(lines.size());
        switch (random.nextInt(4)) {
            case 0 -> lines.remove(at);
            case 1 -> lines.add(random.nextInt(lines.size()), lines.get(at));
            case 2 -> Collections.swap(lines, at, random.nextInt(lines.size()));
            default -> lines.set(at, "  " + lines.get(at));
        }
        return (String.join("\n", lines) + "\n").getBytes(StandardCharsets.ISO_8859_1);
    }
}
