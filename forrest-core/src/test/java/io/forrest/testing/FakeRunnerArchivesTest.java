package io.forrest.testing;

import io.forrest.spi.RunnerArchives;
import java.nio.file.Files;
import java.nio.file.Path;

public class FakeRunnerArchivesTest extends RunnerArchivesContract {
    private FakeRunnerArchives fake;
    private Path directory;

    @Override
    protected void openForge() throws Exception {
        fake = new FakeRunnerArchives();
        directory = Files.createTempDirectory("runners");
    }

    @Override
    protected RunnerArchives archives() {
        return fake;
    }

    @Override
    protected void publish(String version, byte[] archive) throws Exception {
        fake.publish(directory, version, archive);
    }

    @Override
    protected void breakDown() {}

    @Override
    protected void passTime() {}
}
