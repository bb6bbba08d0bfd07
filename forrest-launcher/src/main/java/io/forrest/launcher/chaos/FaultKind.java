package io.forrest.launcher.chaos;

import java.util.Arrays;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What fails. On the command line each has a letter. */
enum FaultKind {
    /** The daemon is killed, at its labelled steps and at any moment, and is told to end. */
    DAEMON('a'),
    /** Calls of GitHub's API fail. */
    GITHUB('b'),
    /** VMs are killed. */
    VMS('c'),
    /** The store is full for a while. */
    STORE('d'),
    /** Webhooks are lost, doubled, reordered. */
    WEBHOOKS('e');

    private final char letter;

    FaultKind(char letter) {
        this.letter = letter;
    }

    static final class Converter implements ITypeConverter<FaultKind> {
        @Override
        public FaultKind convert(String value) {
            return Arrays.stream(values())
                    .filter(kind -> value.equals(Character.toString(kind.letter)))
                    .findFirst()
                    .orElseThrow(
                            () -> new TypeConversionException("there is no " + value + "; there are a, b, c, d and e"));
        }
    }

    @Override
    public String toString() {
        return letter + " (" + name().toLowerCase(Locale.ROOT) + ")";
    }
}
