package io.forrest.domain;

import java.security.SecureRandom;
import java.util.regex.Pattern;

/**
 * Names one machine, which is also its runner's name at GitHub: {@code forrest-<type>-<16 alphanumerics>}.
 *
 * <p>The random part makes it unique over all hosts that share a repository.
 */
public record MachineId(MachineTypeId type, String runnerName) implements Comparable<MachineId> {
    /** What all of Forrest's runner names begin with; only such runners are ever removed as orphans. */
    public static final String PREFIX = "forrest-";

    private static final String ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private static final Pattern SUFFIX = Pattern.compile("[A-Za-z0-9]{16}");
    private static final SecureRandom RANDOM = new SecureRandom();

    public MachineId {
        String lead = PREFIX + type.type() + "-";
        if (!runnerName.startsWith(lead)
                || !SUFFIX.matcher(runnerName.substring(lead.length())).matches()) {
            throw new IllegalArgumentException("\"" + runnerName + "\" is not the name of a machine of " + type);
        }
    }

    /** A new name that nobody else has. Safe from any thread. */
    public static MachineId random(MachineTypeId type) {
        StringBuilder name = new StringBuilder(PREFIX).append(type.type()).append('-');
        for (int i = 0; i < 16; i++) {
            name.append(ALPHABET.charAt(RANDOM.nextInt(ALPHABET.length())));
        }
        return new MachineId(type, name.toString());
    }

    @Override
    public int compareTo(MachineId that) {
        return runnerName.compareTo(that.runnerName);
    }

    @Override
    public String toString() {
        return runnerName;
    }
}
