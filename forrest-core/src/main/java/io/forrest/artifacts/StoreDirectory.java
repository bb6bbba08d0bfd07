package io.forrest.artifacts;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Set;

/**
 * A directory of a store, held open. Whatever is done in it is done in this very directory, whoever renames it or puts a
 * link in its place meanwhile; and no link is ever followed into another one. Not thread-safe.
 */
final class StoreDirectory implements AutoCloseable {
    /** What the names of unfinished uploads, and of directories in the making, begin with. */
    static final String UNFINISHED = ".forrest-upload-";

    private static final Path ITSELF = Path.of(".");

    private final SecureDirectoryStream<Path> directory;

    private StoreDirectory(SecureDirectoryStream<Path> directory) {
        this.directory = directory;
    }

    /** Opens what the configuration names; links on the way there are its owner's, and are followed. */
    @SuppressWarnings("StreamResourceLeak") // It is this object's to close.
    static StoreDirectory open(Path path) throws IOException {
        DirectoryStream<Path> stream = Files.newDirectoryStream(path);
        if (stream instanceof SecureDirectoryStream<Path> secure) {
            return new StoreDirectory(secure);
        }
        stream.close();
        throw new IOException("the file system of " + path + " cannot be kept from following links");
    }

    /**
     * Opens the directory that is so many steps below {@code trusted}, and makes what of both is not there yet.
     *
     * @param draft a name that nobody uses in {@code trusted}, for each directory while it is made
     * @return it, and how many directories were made below {@code trusted}
     */
    static Made make(Path trusted, List<String> steps, String draft) throws IOException {
        if (!Files.isDirectory(trusted)) {
            Files.createDirectories(trusted);
        }
        try (StoreDirectory top = open(trusted)) {
            int made = 0;
            StoreDirectory here = open(trusted);
            for (String step : steps) {
                StoreDirectory parent = here;
                try (parent) {
                    if (!parent.has(step)) {
                        top.makeDirectory(trusted, draft, parent, step);
                        made++;
                    }
                    here = parent.child(step);
                }
            }
            return new Made(here, made);
        }
    }

    /** An open directory, and how many were made on the way to it. */
    record Made(StoreDirectory directory, int count) {}

    /**
     * The JDK can make a directory only by its path, on which somebody may put a link meanwhile. So it is made in the store's
     * own directory and renamed to where it belongs.
     */
    private void makeDirectory(Path trusted, String draft, StoreDirectory parent, String name) throws IOException {
        Path path = Files.createDirectory(trusted.resolve(draft));
        try {
            directory.move(Path.of(draft), parent.directory, Path.of(name));
        } catch (IOException e) {
            Files.deleteIfExists(path);
            // Another upload may have made it meanwhile, and put something in it.
            if (!parent.has(name)) {
                throw e;
            }
        }
        parent.sync();
    }

    /** Opens the directory that is so many steps below {@code trusted}. Throws if it is not there, or behind a link. */
    static StoreDirectory find(Path trusted, List<String> steps) throws IOException {
        StoreDirectory here = open(trusted);
        for (String step : steps) {
            StoreDirectory parent = here;
            try (parent) {
                here = parent.child(step);
            }
        }
        return here;
    }

    private StoreDirectory child(String name) throws IOException {
        try {
            return new StoreDirectory(directory.newDirectoryStream(Path.of(name), LinkOption.NOFOLLOW_LINKS));
        } catch (NoSuchFileException | AccessDeniedException e) {
            throw e;
        } catch (FileSystemException e) {
            throw new FileSystemException(name, null, name + " is no directory of the store's own");
        }
    }

    /** Whether there is anything by this name, be it a link that leads nowhere. */
    boolean has(String name) throws IOException {
        try {
            attributes(name);
            return true;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    boolean hasDirectory(String name) throws IOException {
        try {
            return attributes(name).isDirectory();
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private BasicFileAttributes attributes(String name) throws IOException {
        return directory
                .getFileAttributeView(Path.of(name), BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
                .readAttributes();
    }

    /** A new file, open for writing. Throws if there is anything by this name. */
    FileChannel create(String name) throws IOException {
        return channel(
                Path.of(name),
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
    }

    private FileChannel channel(Path name, Set<? extends OpenOption> options) throws IOException {
        return (FileChannel) directory.newByteChannel(name, options);
    }

    /** Gives a file another name, whatever had that before. */
    void rename(String from, String to) throws IOException {
        directory.move(Path.of(from), directory, Path.of(to));
    }

    /** Puts its names on stable storage. */
    void sync() throws IOException {
        try (FileChannel channel = channel(ITSELF, Set.of(StandardOpenOption.READ))) {
            channel.force(true);
        }
    }

    /** Returns whether there was such a file, or such a link. */
    boolean deleteFile(String name) throws IOException {
        try {
            directory.deleteFile(Path.of(name));
            return true;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        directory.close();
    }
}
