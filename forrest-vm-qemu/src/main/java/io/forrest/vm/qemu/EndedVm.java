package io.forrest.vm.qemu;

import io.forrest.spi.Vm;
import io.forrest.spi.VmExit;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A VM that is no more. */
record EndedVm(VmExit how) implements Vm {
    @Override
    public OptionalLong processId() {
        return OptionalLong.empty();
    }

    @Override
    public CompletionStage<VmExit> exit() {
        return CompletableFuture.completedStage(how);
    }

    @Override
    public void stop(Duration grace) {
        // There is nothing left to be ended.
    }
}
