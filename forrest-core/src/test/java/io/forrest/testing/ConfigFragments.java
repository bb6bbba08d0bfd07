package io.forrest.testing;

import io.forrest.testing.MarkdownBlocks.Block;

/** Parts of configurations in the documentation: makes whole files of them, so that tests can load them. */
public final class ConfigFragments {
    /** What a fragment leaves out is merged in from here. */
    private static final String REST =
            """
            .rest:
              host: &host {base_dir: /var/lib/forrest, ram: 256G}
              github: &github {app_id: 1, jwt_key_file: /key.pem, webhook_secret: s}
              machine: &machine {setup_template: {path: /template}, cpus: 1, disk: 1G, ram: 1G}
            """;

    private static final String HOST = "host:\n  << : *host\n";
    private static final String GITHUB = "github:\n  << : *github\n";

    private ConfigFragments() {}

    /**
     * A whole file. A block says after its language where in a configuration it belongs, e.g. {@code yaml in host}; one
     * that says nothing is a whole file already.
     */
    public static String completed(Block block) {
        String text = block.text();
        return switch (block.info()) {
            case "" -> text;
            case "in host" -> REST + HOST + text.indent(2) + GITHUB + "repositories: {}\n";
            case "in github" -> REST + HOST + GITHUB + text.indent(2) + "repositories: {}\n";
            case "in repositories" -> REST + HOST + GITHUB + "repositories:\n" + text.indent(2);
            case "in repositories.acme.firmware.machines" ->
                REST + HOST + GITHUB + "repositories:\n  acme:\n    firmware:\n      machines:\n" + text.indent(8);
            case "in repositories.acme.firmware.machines.build" ->
                REST + HOST + GITHUB
                        + "repositories:\n  acme:\n    firmware:\n      machines:\n        build:\n          << : *machine\n"
                        + text.indent(10);
            default ->
                throw new AssertionError("The block in line " + block.line() + " belongs nowhere: " + block.info());
        };
    }
}
