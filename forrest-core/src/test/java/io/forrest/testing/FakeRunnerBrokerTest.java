package io.forrest.testing;

import io.forrest.spi.PluginException;
import io.forrest.spi.RunnerBroker;
import io.forrest.spi.RunnerRegistration;
import java.util.Optional;

public class FakeRunnerBrokerTest extends RunnerBrokerContract {
    private FakeRunnerBroker fake;

    @Override
    protected RunnerBroker broker() {
        fake = new FakeRunnerBroker(repository());
        return fake;
    }

    @Override
    protected void connect(RunnerRegistration runner) {
        fake.connect(runner.runnerId());
    }

    @Override
    protected void giveJob(RunnerRegistration runner) {
        fake.giveJob(runner.runnerId());
    }

    @Override
    protected void endJob(RunnerRegistration runner) {
        fake.endJob(runner.runnerId());
    }

    @Override
    protected void registerElsewhere(String name) throws PluginException {
        fake.registerElsewhere(repository(), name);
    }

    @Override
    protected void breakDown() {
        for (FakeRunnerBroker.Call call : FakeRunnerBroker.Call.values()) {
            fake.hooks().failEach(call, Optional.of(PluginException.Kind.RETRY_LATER));
        }
    }
}
