package io.forrest.images;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * Lays out a FAT12 volume of 1 MiB with files in its root directory, by Microsoft's "FAT: General Overview of On-Disk
 * Format", version 1.03, long file names included. The same files give the same bytes.
 */
final class FatImageWriter {
    static final int VOLUME_BYTES = 1 << 20;

    private static final int SECTOR_BYTES = 512;
    private static final int SECTORS_PER_CLUSTER = 4;
    private static final int CLUSTER_BYTES = SECTOR_BYTES * SECTORS_PER_CLUSTER;
    private static final int SECTORS = VOLUME_BYTES / SECTOR_BYTES;
    private static final int RESERVED_SECTORS = 1;
    private static final int FATS = 2;
    private static final int FAT_SECTORS = 2;
    private static final int ROOT_ENTRIES = 512;
    private static final int ENTRY_BYTES = 32;
    private static final int FAT_OFFSET = RESERVED_SECTORS * SECTOR_BYTES;
    private static final int ROOT_OFFSET = FAT_OFFSET + FATS * FAT_SECTORS * SECTOR_BYTES;
    private static final int DATA_OFFSET = ROOT_OFFSET + ROOT_ENTRIES * ENTRY_BYTES;
    private static final int CLUSTERS = (VOLUME_BYTES - DATA_OFFSET) / CLUSTER_BYTES;
    private static final int FIRST_CLUSTER = 2;
    private static final int END_OF_CHAIN = 0xFFF;
    private static final byte MEDIA = (byte) 0xF8;
    private static final byte LABEL_ATTRIBUTE = 0x08;
    private static final byte ARCHIVE_ATTRIBUTE = 0x20;
    private static final byte LONG_NAME_ATTRIBUTE = 0x0F;
    private static final int LONG_NAME_PART = 13;
    private static final int LONGEST_NAME = 255;

    /** 1980-01-01, the format's first day: real times would only make equal volumes differ. */
    private static final short FIRST_DAY = 0x0021;

    private final ByteBuffer image = ByteBuffer.allocate(VOLUME_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Set<String> shortNames = new HashSet<>();
    private int nextCluster = FIRST_CLUSTER;
    private int nextEntry;

    private FatImageWriter() {}

    /** The volume's bytes. Throws {@link IllegalArgumentException} with the reason if something does not fit. */
    static byte[] write(String label, Map<String, byte[]> files) {
        FatImageWriter writer = new FatImageWriter();
        writer.writeBootSector(label, files);
        writer.writeFatEntry(0, 0xF00 | (MEDIA & 0xFF));
        writer.writeFatEntry(1, END_OF_CHAIN);
        writer.writeLabelEntry(label);
        new TreeMap<>(files).forEach(writer::writeFile);
        writer.copyFat();
        return writer.image.array();
    }

    private static byte[] paddedLabel(String label) {
        if (!label.matches("[A-Z0-9_-]{1,11}")) {
            throw new IllegalArgumentException("the volume label \"" + label
                    + "\" is not made of 1 to 11 capitals, digits, hyphens and underscores");
        }
        byte[] padded = new byte[11];
        Arrays.fill(padded, (byte) ' ');
        byte[] bytes = label.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, padded, 0, bytes.length);
        return padded;
    }

    private void writeBootSector(String label, Map<String, byte[]> files) {
        CRC32 serial = new CRC32();
        new TreeMap<>(files).values().forEach(serial::update);
        image.position(0);
        image.put(new byte[] {(byte) 0xEB, 0x3C, (byte) 0x90});
        image.put("FORREST ".getBytes(StandardCharsets.US_ASCII));
        image.putShort((short) SECTOR_BYTES);
        image.put((byte) SECTORS_PER_CLUSTER);
        image.putShort((short) RESERVED_SECTORS);
        image.put((byte) FATS);
        image.putShort((short) ROOT_ENTRIES);
        image.putShort((short) SECTORS);
        image.put(MEDIA);
        image.putShort((short) FAT_SECTORS);
        image.putShort((short) 32);
        image.putShort((short) 2);
        image.putInt(0);
        image.putInt(0);
        image.put((byte) 0x80);
        image.put((byte) 0);
        image.put((byte) 0x29);
        image.putInt((int) serial.getValue());
        image.put(paddedLabel(label));
        image.put("FAT12   ".getBytes(StandardCharsets.US_ASCII));
        image.putShort(SECTOR_BYTES - 2, (short) 0xAA55);
    }

    private void writeLabelEntry(String label) {
        writeEntry(paddedLabel(label), LABEL_ATTRIBUTE, 0, 0);
    }

    private void writeFile(String name, byte[] content) {
        if (name.isEmpty()
                || name.length() > LONGEST_NAME
                || name.chars().anyMatch(c -> c < ' ' || "\"*/:<>?\\|".indexOf(c) >= 0)
                || name.endsWith(".")
                || name.endsWith(" ")) {
            throw new IllegalArgumentException("\"" + name + "\" cannot be the name of a file on a FAT volume");
        }
        byte[] shortName = shortName(name);
        writeLongName(name, checksum(shortName));
        int clusters = (content.length + CLUSTER_BYTES - 1) / CLUSTER_BYTES;
        if (nextCluster - FIRST_CLUSTER + clusters > CLUSTERS) {
            throw new IllegalArgumentException(
                    "the files do not fit into a volume of 1 MiB; \"" + name + "\" is the first that does not");
        }
        writeEntry(shortName, ARCHIVE_ATTRIBUTE, clusters == 0 ? 0 : nextCluster, content.length);
        image.position(DATA_OFFSET + (nextCluster - FIRST_CLUSTER) * CLUSTER_BYTES);
        image.put(content);
        for (int i = 0; i < clusters; i++) {
            writeFatEntry(nextCluster, i == clusters - 1 ? END_OF_CHAIN : nextCluster + 1);
            nextCluster++;
        }
    }

    /** An alias nobody needs to see: each file has a long name, too. */
    private byte[] shortName(String name) {
        String stem = name.toUpperCase(Locale.ROOT).replaceAll("[^A-Z0-9_-]", "");
        for (int number = 1; ; number++) {
            String tail = "~" + number;
            String alias = stem.substring(0, Math.min(stem.length(), 8 - tail.length())) + tail;
            if (shortNames.add(alias)) {
                byte[] padded = new byte[11];
                Arrays.fill(padded, (byte) ' ');
                byte[] bytes = alias.getBytes(StandardCharsets.US_ASCII);
                System.arraycopy(bytes, 0, padded, 0, bytes.length);
                return padded;
            }
        }
    }

    /** By the format's description: rotate right and add, over the eleven bytes of the short name. */
    static int checksum(byte[] shortName) {
        int sum = 0;
        for (byte b : shortName) {
            sum = (((sum & 1) << 7) + (sum >> 1) + (b & 0xFF)) & 0xFF;
        }
        return sum;
    }

    private void writeLongName(String name, int checksum) {
        int parts = (name.length() + LONG_NAME_PART - 1) / LONG_NAME_PART;
        for (int part = parts; part >= 1; part--) {
            ByteBuffer entry = nextEntry();
            entry.put((byte) (part | (part == parts ? 0x40 : 0)));
            for (int i = 0; i < LONG_NAME_PART; i++) {
                if (i == 5) {
                    entry.put(LONG_NAME_ATTRIBUTE).put((byte) 0).put((byte) checksum);
                } else if (i == 11) {
                    entry.putShort((short) 0);
                }
                int at = (part - 1) * LONG_NAME_PART + i;
                entry.putShort((short) (at < name.length() ? name.charAt(at) : at == name.length() ? 0x0000 : 0xFFFF));
            }
        }
    }

    private void writeEntry(byte[] name, byte attribute, int cluster, int length) {
        ByteBuffer entry = nextEntry();
        entry.put(name).put(attribute).put((byte) 0).put((byte) 0);
        entry.putShort((short) 0).putShort(FIRST_DAY).putShort(FIRST_DAY).putShort((short) 0);
        entry.putShort((short) 0).putShort(FIRST_DAY);
        entry.putShort((short) cluster).putInt(length);
    }

    private ByteBuffer nextEntry() {
        if (nextEntry == ROOT_ENTRIES) {
            throw new IllegalArgumentException("too many files for the root directory of a FAT volume");
        }
        return image.slice(ROOT_OFFSET + nextEntry++ * ENTRY_BYTES, ENTRY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void writeFatEntry(int cluster, int value) {
        int at = FAT_OFFSET + cluster * 3 / 2;
        int both = image.getShort(at) & 0xFFFF;
        both = cluster % 2 == 0 ? (both & 0xF000) | value : (both & 0x000F) | (value << 4);
        image.putShort(at, (short) both);
    }

    private void copyFat() {
        int length = FAT_SECTORS * SECTOR_BYTES;
        image.put(FAT_OFFSET + length, image.slice(FAT_OFFSET, length), 0, length);
    }
}
