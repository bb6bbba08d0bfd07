package io.forrest.images;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;

/** What a file that is to be a disk image is, by its first bytes; names lie. */
enum DiskFormat {
    QCOW2("514649fb", ""),
    GZIP("1f8b08", "is compressed; unpack it with gunzip first"),
    XZ("fd377a585a00", "is compressed; unpack it with unxz first"),
    ZSTD("28b52ffd", "is compressed; unpack it with unzstd first"),
    BZIP2("425a68", "is compressed; unpack it with bunzip2 first"),
    ZIP("504b0304", "is an archive; unpack it first"),
    VMDK("4b444d56", "is a VMDK image; convert it with qemu-img convert -f vmdk -O raw first"),
    VHDX("7668647866696c65", "is a VHDX image; convert it with qemu-img convert -f vhdx -O raw first"),
    /** Anything else: a raw disk begins with what its boot loader likes. */
    RAW("", "");

    private static final int LONGEST_MAGIC = 8;

    /** In hexadecimal digits. */
    private final String magic;

    private final String whyNot;

    DiskFormat(String magic, String whyNot) {
        this.magic = magic;
        this.whyNot = whyNot;
    }

    static DiskFormat of(Path file) throws IOException {
        String start;
        try (InputStream in = Files.newInputStream(file)) {
            start = HexFormat.of().formatHex(in.readNBytes(LONGEST_MAGIC));
        }
        return Arrays.stream(values())
                .filter(format -> start.startsWith(format.magic))
                .findFirst()
                .orElse(RAW);
    }

    /** Why it cannot be imported and what to do; empty if it can. */
    String whyNot() {
        return whyNot;
    }
}
