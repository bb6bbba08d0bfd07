package io.forrest.work;

import io.forrest.domain.Secret;
import io.forrest.spi.GuestVolumes;
import io.forrest.spi.PluginException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/** What the guest left in the file {@code persist} on its JOBDATA volume, held against the repository's token. */
enum PersistRequest {
    /** The token, alone or with one newline behind it: the disk is to be kept. */
    GRANTED("its job presented the persistence token"),
    /** Nothing, or nothing that could be read as a token. */
    NONE("its job did not ask to persist it"),
    /** Something else than the token. */
    WRONG_TOKEN("its job asked to persist it with a wrong token"),
    /** The repository has no token, so nobody can ask. */
    NO_TOKEN_CONFIGURED("its repository has no persistence_token");

    private static final String FILE = "persist";

    private final String reason;

    PersistRequest(String reason) {
        this.reason = reason;
    }

    /** Completes the sentence "the disk is kept or thrown away, because ...". */
    String reason() {
        return reason;
    }

    static PersistRequest read(GuestVolumes volumes, Path jobConfig, Optional<Secret> token) throws PluginException {
        if (token.isEmpty() || token.get().revealBytes().length == 0) {
            return NO_TOKEN_CONFIGURED;
        }
        // The guest was told the token's length by nobody, so a file that is longer than that is no token either.
        int most = 1024 + token.get().revealBytes().length;
        Optional<byte[]> left = volumes.read(jobConfig, FILE, most);
        if (left.isEmpty() || left.get().length == 0) {
            return NONE;
        }
        byte[] candidate = left.get();
        byte[] trimmed =
                candidate[candidate.length - 1] == '\n' ? Arrays.copyOf(candidate, candidate.length - 1) : candidate;
        boolean asIs = token.get().matches(candidate);
        boolean withNewline = token.get().matches(trimmed);
        return asIs || withNewline ? GRANTED : WRONG_TOKEN;
    }
}
