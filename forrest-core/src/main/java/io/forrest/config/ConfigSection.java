package io.forrest.config;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * A mapping of the document whose keys are asked for one by one. In the end {@link #finish} reports those that nobody
 * asked for and those that were asked for in vain.
 */
final class ConfigSection {
    private final ConfigValue place;
    private final ConfigNode.Mapping mapping;
    private final Set<String> known = new TreeSet<>();
    private final Set<String> missing = new LinkedHashSet<>();

    ConfigSection(ConfigValue place, ConfigNode.Mapping mapping) {
        this.place = place;
        this.mapping = mapping;
    }

    /** What stands at a key, if it was given and not taken back by {@code null}. */
    Optional<ConfigValue> find(String key) {
        known.add(key);
        return Optional.ofNullable(mapping.entries().get(key))
                .map(entry -> child(key, entry))
                .filter(value -> !value.isTakenBack());
    }

    <T> Optional<T> required(String key, Function<ConfigValue, Optional<T>> reading) {
        Optional<ConfigValue> value = find(key);
        if (value.isEmpty() && mapping.complete()) {
            missing.add(key);
        }
        return value.flatMap(reading);
    }

    <T> Optional<T> optional(String key, Function<ConfigValue, Optional<T>> reading) {
        return find(key).flatMap(reading);
    }

    /** The entries of a mapping whose keys are names. Those that were taken back by {@code null} are left out. */
    Map<String, ConfigValue> named() {
        Map<String, ConfigValue> values = new LinkedHashMap<>();
        mapping.entries().forEach((key, entry) -> {
            ConfigValue value = child(key, entry);
            if (!value.isTakenBack()) {
                values.put(key, value);
            }
        });
        return values;
    }

    /** To be called when all keys were asked for. */
    void finish() {
        mapping.entries().forEach((key, entry) -> {
            if (!known.contains(key)) {
                Optional<String> meant = Suggestion.closest(key, known);
                // A mistyped key is one mistake, not a second one for the key that it should have been.
                meant.ifPresent(missing::remove);
                place.problems()
                        .add(
                                entry.keyLine(),
                                childPath(key),
                                "Unknown key.",
                                meant.map(word -> "Did you mean " + word + "?")
                                        .orElse("Possible are " + String.join(", ", known) + "."));
            }
        });
        for (String key : missing) {
            place.problems().add(place.line(), childPath(key), "The key is missing.", "");
        }
    }

    ConfigValue place() {
        return place;
    }

    private ConfigValue child(String key, ConfigNode.Entry entry) {
        return new ConfigValue(childPath(key), entry.line(), entry.value(), place.problems());
    }

    private String childPath(String key) {
        return place.path().isEmpty() ? Display.key(key) : place.path() + "." + Display.key(key);
    }
}
