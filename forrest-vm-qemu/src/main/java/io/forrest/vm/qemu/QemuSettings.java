package io.forrest.vm.qemu;

import io.forrest.domain.HostProblem;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What stands below {@code host.qemu}.
 *
 * @param binary a program on the PATH, or a path
 * @param swtpm what emulates TPMs: a program on the PATH, or a path
 */
record QemuSettings(Accelerator accelerator, String binary, String swtpm) {
    private static final String ACCELERATOR = "accelerator";
    private static final String BINARY = "binary";
    private static final String SWTPM = "swtpm";
    private static final Set<String> KEYS = new TreeSet<>(Set.of(ACCELERATOR, BINARY, SWTPM));
    private static final String DEFAULT_BINARY = "qemu-system-x86_64";
    private static final String DEFAULT_SWTPM = "swtpm";

    /** How guest code is run. */
    enum Accelerator {
        KVM,
        TCG;

        String qemuName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    static List<HostProblem> check(Map<String, String> settings) {
        List<HostProblem> problems = new ArrayList<>();
        settings.forEach((key, value) -> {
            if (!KEYS.contains(key)) {
                problems.add(new HostProblem("host.qemu." + key, "is an unknown key.", "QEMU has " + KEYS + "."));
            } else if (value.isBlank()) {
                problems.add(new HostProblem("host.qemu." + key, "is empty.", "Give it a value or leave it out."));
            } else if (key.equals(ACCELERATOR)
                    && !value.equals(Accelerator.KVM.qemuName())
                    && !value.equals(Accelerator.TCG.qemuName())) {
                problems.add(new HostProblem(
                        "host.qemu." + key,
                        "\"" + value + "\" is not an accelerator.",
                        "Write kvm, or tcg where there is no KVM (much slower)."));
            }
        });
        return problems;
    }

    static QemuSettings of(Map<String, String> settings) {
        List<HostProblem> problems = check(settings);
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(problems.get(0).toString());
        }
        return new QemuSettings(
                Accelerator.valueOf(settings.getOrDefault(ACCELERATOR, "kvm").toUpperCase(Locale.ROOT)),
                settings.getOrDefault(BINARY, DEFAULT_BINARY),
                settings.getOrDefault(SWTPM, DEFAULT_SWTPM));
    }
}
