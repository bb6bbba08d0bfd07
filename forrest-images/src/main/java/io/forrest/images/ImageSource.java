package io.forrest.images;

import io.forrest.download.Download;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where an image is imported from: exactly one of both is there.
 *
 * @param address of http or https
 */
public record ImageSource(Optional<Path> file, Optional<URI> address) {
    private static final Pattern SCHEME = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*)://.*");

    public ImageSource {
        if (file.isPresent() == address.isPresent()) {
            throw new IllegalArgumentException("either a file or an address");
        }
    }

    /** Reads a path or an address; throws {@link IllegalArgumentException} that says what is wrong. */
    public static ImageSource parse(String text) {
        Matcher scheme = SCHEME.matcher(text);
        if (!scheme.matches()) {
            try {
                return new ImageSource(Optional.of(Path.of(text)), Optional.empty());
            } catch (InvalidPathException e) {
                throw new IllegalArgumentException("\"" + text + "\" is not a path: " + e.getReason(), e);
            }
        }
        String name = scheme.group(1).toLowerCase(Locale.ROOT);
        if (!name.equals("http") && !name.equals("https")) {
            throw new IllegalArgumentException(
                    "images come from files and addresses of http or https, not from " + text);
        }
        try {
            URI address = new URI(text);
            if (address.getHost() == null) {
                throw new IllegalArgumentException("\"" + text + "\" is an address without a host");
            }
            return new ImageSource(Optional.empty(), Optional.of(address));
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not an address: " + e.getReason(), e);
        }
    }

    /** The address, without secrets, or the path. */
    @Override
    public String toString() {
        return address.map(Download::spoken).orElseGet(() -> file.orElseThrow().toString());
    }
}
