package io.forrest.config;

import java.util.List;

/** A configuration cannot be used. Carries every problem that was found; the message lists them for people. */
public final class ConfigException extends Exception {
    /** Whoever has more has one problem that they all come from. */
    private static final int MOST_LISTED = 100;

    private final transient String source;
    private final transient List<ConfigProblem> problems;

    /**
     * @param source the file's name
     * @param problems at least one, in the order in which to show them
     */
    public ConfigException(String source, List<ConfigProblem> problems) {
        super(describe(source, problems, ""));
        this.source = source;
        this.problems = List.copyOf(problems);
    }

    /** All of them, by line; those without one come first. */
    public List<ConfigProblem> problems() {
        return problems;
    }

    /** The message, with a sentence after the headline that says what follows from it. */
    String describe(String consequence) {
        return describe(source, problems, " " + consequence);
    }

    private static String describe(String source, List<ConfigProblem> problems, String consequence) {
        StringBuilder text = new StringBuilder(source)
                .append(" has ")
                .append(problems.size() == 1 ? "1 problem." : problems.size() + " problems.")
                .append(consequence);
        int digits = problems.stream()
                .mapToInt(problem -> problem.line().isPresent()
                        ? Integer.toString(problem.line().getAsInt()).length()
                        : 0)
                .max()
                .orElse(0);
        for (ConfigProblem problem : problems.subList(0, Math.min(problems.size(), MOST_LISTED))) {
            String lead = problem.line().isPresent()
                    ? "  line "
                            + " "
                                    .repeat(digits
                                            - Integer.toString(problem.line().getAsInt())
                                                    .length()) + problem.line().getAsInt() + "  "
                    : "  ";
            text.append('\n').append(lead);
            if (problem.path().isEmpty()) {
                text.append(problem.sentences());
            } else {
                text.append(problem.path())
                        .append('\n')
                        .append(" ".repeat(lead.length()))
                        .append(problem.sentences());
            }
        }
        if (problems.size() > MOST_LISTED) {
            text.append("\n  ... and ").append(problems.size() - MOST_LISTED).append(" more.");
        }
        return text.toString();
    }
}
