package io.forrest.launcher.demo;

import java.util.List;

/** The scripts of the demo's jobs: what a workflow's {@code run:} steps would say. */
final class DemoJobs {
    /** Where jobs leave files: in every guest a directory on the machine's disk. */
    private static final String PLACE = "/srv/story";

    /** The first job makes this file and waits for the other one, which only the root shell makes. */
    static final String WAITS_FOR_SHELL = "/tmp/waits-for-shell";

    static final String SHELL_WAS_HERE = "/tmp/shell-was-here";

    private static final String SEES =
            """
            as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
            as_root mkdir -p %s
            echo "sees: "$(ls %s)
            """
                    .formatted(PLACE, PLACE);

    private DemoJobs() {}

    /** A step of the story, in words, and the job that makes it. */
    record Step(String title, String event, String script, boolean persists) {}

    static List<Step> story(int ballastMebibytes) {
        return List.of(
                new Step(
                        "main: installs and persists",
                        "push",
                        SEES
                                + leave("main")
                                + meetTheShell(ballastMebibytes)
                                + persist("${{ secrets.PERSISTENCE_TOKEN }}"),
                        true),
                new Step(
                        "pull request: has no secrets",
                        "pull_request",
                        SEES + leave("pull-request") + persist("${{ secrets.PERSISTENCE_TOKEN }}"),
                        false),
                new Step("main: builds", "push", SEES, false),
                new Step("main: wrong token", "push", SEES + leave("wrong-token") + persist("a-wrong-token"), false));
    }

    private static String leave(String name) {
        return "as_root touch " + PLACE + "/" + name + "\n";
    }

    /** Fills some disk, waits for the debugging shell, and gives the space back. */
    private static String meetTheShell(int ballastMebibytes) {
        return """
                as_root dd if=/dev/urandom of=%1$s/ballast bs=1M count=%2$d 2>/dev/null
                sync
                touch %3$s
                tries=0
                while [ ! -e %4$s ] && [ $tries -lt 60 ]; do sleep 1; tries=$((tries + 1)); done
                as_root rm %1$s/ballast
                """
                .formatted(PLACE, ballastMebibytes, WAITS_FOR_SHELL, SHELL_WAS_HERE);
    }

    /** As the action does it. */
    private static String persist(String token) {
        return """
                sync
                as_root fstrim "$(df %s | sed -n '$s/.* //p')"
                printf %%s '%s' > /home/runner/config/persist
                """
                .formatted(PLACE, token);
    }
}
