package io.forrest.images;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Reads a file from the root directory of a FAT12 or FAT16 volume whose every byte may be hostile.
 *
 * <p>Nothing is believed: all positions are taken from a buffer that checks them, chains of clusters are followed for no
 * more steps than the wanted length needs, and the directory for no more than it has entries.
 */
final class FatImageReader {
    private static final int ENTRY_BYTES = 32;
    private static final int FIRST_CLUSTER = 2;
    private static final int FAT12_CLUSTERS = 4085;
    private static final int FAT16_CLUSTERS = 65525;
    private static final int LONG_NAME_ATTRIBUTE = 0x0F;
    private static final int DIRECTORY_OR_LABEL = 0x18;
    private static final int LONG_NAME_PART = 13;
    private static final int MOST_LONG_NAME_PARTS = 20;

    private final ByteBuffer image;
    private final int clusterBytes;
    private final int fatOffset;
    private final int rootOffset;
    private final int rootEntries;
    private final int dataOffset;
    private final int clusters;

    private FatImageReader(byte[] bytes) throws DamagedVolumeException {
        image = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int sectorBytes = u16(11);
        int sectorsPerCluster = u8(13);
        int reservedSectors = u16(14);
        int fats = u8(16);
        rootEntries = u16(17);
        int sectors = u16(19);
        int fatSectors = u16(22);
        boolean sound = sectorBytes >= 512
                && sectorBytes <= 4096
                && Integer.bitCount(sectorBytes) == 1
                && Integer.bitCount(sectorsPerCluster) == 1
                && reservedSectors > 0
                && fats > 0
                && fatSectors > 0
                && rootEntries > 0;
        if (!sound) {
            throw new DamagedVolumeException();
        }
        clusterBytes = sectorBytes * sectorsPerCluster;
        fatOffset = reservedSectors * sectorBytes;
        rootOffset = fatOffset + fats * fatSectors * sectorBytes;
        dataOffset = rootOffset + rootEntries * ENTRY_BYTES;
        long volumeBytes = Math.min((long) sectors * sectorBytes, bytes.length);
        if (dataOffset >= volumeBytes) {
            throw new DamagedVolumeException();
        }
        clusters = (int) ((volumeBytes - dataOffset) / clusterBytes);
        if (clusters >= FAT16_CLUSTERS) {
            throw new DamagedVolumeException();
        }
    }

    /** Empty if there is no such plain file, it is longer than {@code maxBytes}, or the volume is damaged. */
    static Optional<byte[]> read(byte[] volume, String name, int maxBytes) {
        try {
            return new FatImageReader(volume).read(name, maxBytes);
        } catch (DamagedVolumeException | IndexOutOfBoundsException | BufferUnderflowException e) {
            // A position that leads out of the volume is a damaged volume.
            return Optional.empty();
        }
    }

    private Optional<byte[]> read(String name, int maxBytes) throws DamagedVolumeException {
        List<String> longNameParts = new ArrayList<>();
        int longNameChecksum = -1;
        for (int i = 0; i < rootEntries; i++) {
            int at = rootOffset + i * ENTRY_BYTES;
            int first = u8(at);
            if (first == 0) {
                return Optional.empty();
            }
            int attributes = u8(at + 11);
            if (first == 0xE5) {
                longNameParts.clear();
            } else if ((attributes & LONG_NAME_ATTRIBUTE) == LONG_NAME_ATTRIBUTE) {
                if ((first & 0x40) != 0) {
                    longNameParts.clear();
                    longNameChecksum = u8(at + 13);
                }
                if (u8(at + 13) == longNameChecksum && longNameParts.size() < MOST_LONG_NAME_PARTS) {
                    longNameParts.add(0, longNamePart(at));
                }
            } else {
                if ((attributes & DIRECTORY_OR_LABEL) == 0
                        && (name.equalsIgnoreCase(shortName(at))
                                || (name.equalsIgnoreCase(String.join("", longNameParts))
                                        && longNameChecksum == checksum(at)))) {
                    return content(at, maxBytes);
                }
                longNameParts.clear();
            }
        }
        return Optional.empty();
    }

    private Optional<byte[]> content(int entry, int maxBytes) throws DamagedVolumeException {
        long length = image.getInt(entry + 28) & 0xFFFFFFFFL;
        if (length > maxBytes) {
            return Optional.empty();
        }
        byte[] content = new byte[(int) length];
        int cluster = u16(entry + 26);
        for (int done = 0; done < content.length; done += clusterBytes) {
            if (cluster < FIRST_CLUSTER || cluster >= FIRST_CLUSTER + clusters) {
                throw new DamagedVolumeException();
            }
            image.get(
                    dataOffset + (cluster - FIRST_CLUSTER) * clusterBytes,
                    content,
                    done,
                    Math.min(clusterBytes, content.length - done));
            cluster = next(cluster);
        }
        return Optional.of(content);
    }

    private int next(int cluster) {
        if (clusters < FAT12_CLUSTERS) {
            int both = u16(fatOffset + cluster * 3 / 2);
            return cluster % 2 == 0 ? both & 0xFFF : both >> 4;
        }
        return u16(fatOffset + cluster * 2);
    }

    private String longNamePart(int entry) {
        StringBuilder part = new StringBuilder();
        for (int i = 0; i < LONG_NAME_PART; i++) {
            int at = entry + 1 + 2 * i + (i >= 11 ? 5 : i >= 5 ? 3 : 0);
            int unit = u16(at);
            if (unit == 0) {
                break;
            }
            part.append((char) unit);
        }
        return part.toString();
    }

    private String shortName(int entry) {
        String stem = text(entry, 8);
        String extension = text(entry + 8, 3);
        return extension.isEmpty() ? stem : stem + "." + extension;
    }

    private String text(int at, int length) {
        byte[] bytes = new byte[length];
        image.get(at, bytes);
        return new String(bytes, StandardCharsets.ISO_8859_1).stripTrailing();
    }

    private int checksum(int entry) {
        byte[] shortName = new byte[11];
        image.get(entry, shortName);
        return FatImageWriter.checksum(shortName);
    }

    private int u8(int at) {
        return image.get(at) & 0xFF;
    }

    private int u16(int at) {
        return image.getShort(at) & 0xFFFF;
    }

    /** The volume is not one. */
    private static final class DamagedVolumeException extends Exception {
        DamagedVolumeException() {
            super("damaged", null, false, false);
        }
    }
}
