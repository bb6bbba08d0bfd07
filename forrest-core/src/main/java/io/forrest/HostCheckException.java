package io.forrest;

import io.forrest.domain.HostProblem;
import java.util.List;
import java.util.stream.Collectors;

/** This host cannot run machines. The message has one line per problem. */
public final class HostCheckException extends Exception {
    private final transient List<HostProblem> problems;

    public HostCheckException(List<HostProblem> problems) {
        super(problems.stream().map(HostProblem::toString).collect(Collectors.joining("\n")));
        this.problems = List.copyOf(problems);
    }

    /** What is wrong; never empty. */
    public List<HostProblem> problems() {
        return problems;
    }
}
