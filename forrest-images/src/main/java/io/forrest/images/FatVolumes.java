package io.forrest.images;

import io.forrest.spi.GuestVolumes;
import io.forrest.spi.PluginException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Guest volumes as FAT images of 1 MiB, which every guest can mount and cloud-init looks for. */
public final class FatVolumes implements GuestVolumes {
    /** A guest cannot make its disk larger; if the file is, something else is wrong with it. */
    private static final int MOST_VOLUME_BYTES = 4 * FatImageWriter.VOLUME_BYTES;

    /** The volumes hold the runner's configuration and the run's token, and what the guest leaves: another token. */
    private static final FileAttribute<?> FOR_US_ALONE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    @Override
    public void write(Path volume, String label, Map<String, byte[]> files) throws PluginException {
        byte[] bytes;
        try {
            bytes = FatImageWriter.write(label, files);
        } catch (IllegalArgumentException e) {
            throw new PluginException(
                    PluginException.Kind.REJECTED,
                    "the volume " + label + " cannot be made: " + e.getMessage() + ".",
                    e);
        }
        boolean written = false;
        try (FileChannel channel = FileChannel.open(
                volume, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), FOR_US_ALONE)) {
            ByteBuffer left = ByteBuffer.wrap(bytes);
            while (left.hasRemaining()) {
                channel.write(left);
            }
            written = true;
        } catch (IOException e) {
            throw broken("the volume " + volume + " cannot be written", e);
        } finally {
            if (!written) {
                deleteQuietly(volume);
            }
        }
    }

    @Override
    public Optional<byte[]> read(Path volume, String name, int maxBytes) throws PluginException {
        try (InputStream in = Files.newInputStream(volume)) {
            return FatImageReader.read(in.readNBytes(MOST_VOLUME_BYTES), name, maxBytes);
        } catch (IOException e) {
            throw broken("the volume " + volume + " cannot be read", e);
        }
    }

    private static void deleteQuietly(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // The failure to write it is reported already.
        }
    }

    private static PluginException broken(String what, IOException cause) {
        return new PluginException(PluginException.Kind.BROKEN, what + ": " + cause, cause);
    }
}
