package io.forrest.config;

import io.forrest.domain.DataSize;
import io.forrest.domain.Secret;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A value of the document and its place. Reads itself as what a key wants; where it is something else it reports that
 * and returns empty.
 */
record ConfigValue(String path, int line, ConfigNode node, ConfigProblems problems) {
    private static final Pattern DURATION = Pattern.compile("([0-9]{1,9})([smhd])");
    private static final Map<String, ChronoUnit> DURATION_UNITS =
            Map.of("s", ChronoUnit.SECONDS, "m", ChronoUnit.MINUTES, "h", ChronoUnit.HOURS, "d", ChronoUnit.DAYS);

    /** Timers count nanoseconds in 64 bits; this leaves them room. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    private static final Pattern POSITIVE_NUMBER = Pattern.compile("0*[1-9][0-9]{0,8}");
    private static final Pattern ADDRESS_AND_PORT =
            Pattern.compile("(?:([0-9.]+|localhost)|\\[([0-9a-fA-F:.]+)\\]):([0-9]{1,5})");
    private static final Pattern IPV4 = Pattern.compile("(?:[0-9]{1,3}\\.){3}[0-9]{1,3}");

    /** Where the first sentence of a message ends. */
    private static final Pattern SENTENCE_END = Pattern.compile("(?<=\\.) (?=[A-Z])");

    void problem(String what, String remedy) {
        problems.add(line, path, what, remedy);
    }

    /** Whether the value is an explicit {@code null} or {@code ~}, which takes back what was merged in. */
    boolean isTakenBack() {
        return node instanceof ConfigNode.Scalar scalar
                && scalar.isNull()
                && !scalar.text().isEmpty();
    }

    /** Any text, also an empty one in quotes. */
    Optional<String> text() {
        if (node instanceof ConfigNode.Scalar scalar) {
            if (scalar.isNull()) {
                problem("There is no value.", "Give it one, or \"\" for an empty text.");
                return Optional.empty();
            }
            return Optional.of(scalar.text());
        }
        wrongKind("a single value");
        return Optional.empty();
    }

    /** Text that is not blank. */
    Optional<String> word() {
        if (node instanceof ConfigNode.Scalar scalar) {
            if (scalar.isNull() || scalar.text().isBlank()) {
                problem("There is no value.", "Give it one.");
                return Optional.empty();
            }
            return Optional.of(scalar.text());
        }
        wrongKind("a single value");
        return Optional.empty();
    }

    Optional<Secret> secret() {
        Optional<Secret> secret = word().map(Secret::of);
        if (secret.isPresent() && secret.get().reveal().equals(secret.get().toString())) {
            problem("This stands where a secret was hidden when the configuration was printed.", "Put it back.");
            return Optional.empty();
        }
        return secret;
    }

    /** A path as it is given, relative or absolute. */
    Optional<Path> file() {
        return word().flatMap(text -> {
            try {
                return Optional.of(Path.of(text));
            } catch (InvalidPathException e) {
                problem(Display.quoted(text) + " cannot be a path.", "Use the path of a file or directory.");
                return Optional.empty();
            }
        });
    }

    /** Throws away what the parser says beyond two sentences; the first says what, the second what to do. */
    <T> Optional<T> parsed(Function<String, T> parser) {
        return word().flatMap(text -> {
            try {
                return Optional.of(parser.apply(text));
            } catch (IllegalArgumentException e) {
                String message = e.getMessage().replace(text, Display.clean(text));
                String[] sentences = SENTENCE_END.split(message.endsWith(".") ? message : message + ".", 2);
                problem(sentences[0], sentences.length > 1 ? sentences[1] : "");
                return Optional.empty();
            }
        });
    }

    Optional<DataSize> size() {
        return parsed(DataSize::parse);
    }

    Optional<DataSize> sizeAboveZero() {
        Optional<DataSize> size = size();
        if (size.isPresent() && size.get().equals(DataSize.ZERO)) {
            problem(Display.quoted(size.get().toString()) + " is nothing.", "Write a size above 0.");
            return Optional.empty();
        }
        return size;
    }

    /** Hypervisors take RAM in MiB, and some take 0 for a default of their own. */
    Optional<DataSize> guestRam() {
        Optional<DataSize> size = sizeAboveZero();
        if (size.isPresent() && size.get().toMebibytes() == 0) {
            problem(Display.quoted(size.get().toString()) + " is too little RAM for any guest.", "Write at least 1M.");
            return Optional.empty();
        }
        return size;
    }

    Optional<Duration> durationAboveZero() {
        return word().flatMap(text -> {
            Matcher matcher = DURATION.matcher(text);
            if (!matcher.matches()) {
                problem(
                        Display.quoted(text) + " is not a duration.",
                        "Write a whole number and one of s m h d, e.g. 15m.");
                return Optional.empty();
            }
            Duration duration = Duration.of(Long.parseLong(matcher.group(1)), DURATION_UNITS.get(matcher.group(2)));
            if (duration.isZero() || duration.compareTo(LONGEST) > 0) {
                problem(
                        Display.quoted(text)
                                + (duration.isZero() ? " is no time at all." : " is more than a lifetime."),
                        "Write a duration from 1s to " + LONGEST.toDays() + "d.");
                return Optional.empty();
            }
            return Optional.of(duration);
        });
    }

    Optional<Integer> positiveNumber() {
        return word().flatMap(text -> {
            if (!POSITIVE_NUMBER.matcher(text).matches()) {
                problem(Display.quoted(text) + " is not a positive whole number.", "Write e.g. 4.");
                return Optional.empty();
            }
            return Optional.of(Integer.valueOf(text));
        });
    }

    Optional<Boolean> flag() {
        return word().flatMap(text -> switch (text) {
            case "true", "True", "TRUE" -> Optional.of(true);
            case "false", "False", "FALSE" -> Optional.of(false);
            default -> {
                problem(Display.quoted(text) + " is neither true nor false.", "Write true or false.");
                yield Optional.empty();
            }
        });
    }

    /** One of the words, ignoring nothing. */
    <T> Optional<T> oneOf(Map<String, T> choices) {
        return word().flatMap(text -> {
            if (!choices.containsKey(text)) {
                problem(
                        Display.quoted(text) + " is not possible here.",
                        "Write " + String.join(" or ", choices.keySet()) + ".");
            }
            return Optional.ofNullable(choices.get(text));
        });
    }

    /** An address in figures and a port; no name is looked up. */
    Optional<InetSocketAddress> addressAndPort() {
        return word().flatMap(text -> {
            Optional<InetSocketAddress> address = Optional.of(ADDRESS_AND_PORT.matcher(text))
                    .filter(Matcher::matches)
                    .flatMap(ConfigValue::address);
            if (address.isEmpty()) {
                problem(
                        Display.quoted(text) + " is not an address and a port.",
                        "Write e.g. 127.0.0.1:8080, or \"[::1]:8080\" with the quotes.");
            }
            return address;
        });
    }

    private static Optional<InetSocketAddress> address(Matcher parts) {
        String host = Optional.ofNullable(parts.group(1)).orElse(parts.group(2));
        int port = Integer.parseInt(parts.group(3));
        if (port > 65_535 || (parts.group(1) != null && !isIpv4(host) && !host.equals("localhost"))) {
            return Optional.empty();
        }
        try {
            InetAddress address = host.equals("localhost")
                    ? InetAddress.getByAddress(new byte[] {127, 0, 0, 1})
                    // Looks nothing up: the patterns let figures through only, and brackets mean IPv6.
                    : InetAddress.getByName(parts.group(1) == null ? "[" + host + "]" : host);
            return Optional.of(new InetSocketAddress(address, port));
        } catch (UnknownHostException e) {
            return Optional.empty();
        }
    }

    private static boolean isIpv4(String host) {
        return IPV4.matcher(host).matches()
                && List.of(host.split("\\.", -1)).stream().allMatch(part -> Integer.parseInt(part) < 256);
    }

    /** An address of a web service, without a slash at the end. */
    Optional<URI> webAddress() {
        return word().flatMap(text -> {
            try {
                URI uri = new URI(text.replaceFirst("/+$", ""));
                boolean web = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
                if (web
                        && uri.getHost() != null
                        && uri.getRawUserInfo() == null
                        && uri.getRawQuery() == null
                        && uri.getRawFragment() == null) {
                    return Optional.of(uri);
                }
            } catch (URISyntaxException e) {
                // Falls through to the same problem: what the parser says of columns helps nobody.
            }
            problem(
                    Display.quoted(text) + " is not the address of a web service.",
                    "Write e.g. https://github.example.com/api/v3.");
            return Optional.empty();
        });
    }

    Optional<ConfigSection> section() {
        if (node instanceof ConfigNode.Mapping mapping) {
            return Optional.of(new ConfigSection(this, mapping));
        }
        wrongKind("a mapping (key: value)");
        return Optional.empty();
    }

    Optional<List<ConfigValue>> items() {
        if (node instanceof ConfigNode.Sequence sequence) {
            List<ConfigValue> items = new ArrayList<>();
            for (ConfigNode item : sequence.items()) {
                items.add(new ConfigValue(path + "[" + items.size() + "]", item.line(), item, problems));
            }
            return Optional.of(items);
        }
        wrongKind("a list (- item)");
        return Optional.empty();
    }

    /** Says what is there in kind only: a value in the wrong place may well be a secret. */
    private void wrongKind(String wanted) {
        if (node instanceof ConfigNode.Broken) {
            return;
        }
        String found = node instanceof ConfigNode.Mapping
                ? "a mapping"
                : node instanceof ConfigNode.Sequence
                        ? "a list"
                        : ((ConfigNode.Scalar) node).isNull() ? "nothing" : "a single value";
        problem("Here must be " + wanted + ", but there is " + found + ".", "");
    }
}
