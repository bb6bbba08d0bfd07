package io.forrest.github.embedded;

import io.forrest.domain.JobId;
import io.forrest.domain.RepositoryId;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;

/**
 * A GitHub on loopback with one App, installed in the repositories that are added. Thread-safe. Starts when it is made.
 */
public final class EmbeddedGitHub implements AutoCloseable {
    private static final String APP_ID = "4711";
    private static final String WEBHOOK_SECRET = "the embedded GitHub's webhook secret";

    private volatile KeyPair key;
    private final LoopbackServer server;
    private final Faults faults = new Faults();
    private final WebhookSender webhooks;
    private final ActionsState state;
    private final RunnerService runnerService;
    private final RunnerDownloads downloads;
    private final Documents documents;
    private final RestApi rest;

    /** Requests wait for the constructor's end. */
    private final CountDownLatch ready = new CountDownLatch(1);

    /**
     * A job that somebody pushed.
     *
     * @param event what set the workflow off: {@code push}, {@code pull_request}
     * @param script what its runner runs, a POSIX shell script
     * @param needsApproval whether it waits for {@link #approve}
     */
    public record JobRequest(
            RepositoryId repository,
            String name,
            String event,
            List<String> labels,
            String script,
            boolean needsApproval) {
        public JobRequest {
            Objects.requireNonNull(repository);
            Objects.requireNonNull(name);
            Objects.requireNonNull(event);
            Objects.requireNonNull(script);
            labels = List.copyOf(labels);
        }

        /** A job of a push that wants a machine of this type. */
        public static JobRequest push(RepositoryId repository, String name, String machineType, String script) {
            return new JobRequest(
                    repository, name, "push", List.of("self-hosted", "forrest", machineType), script, false);
        }
    }

    /** Listens on a free port of the loopback interface. {@code clock} is GitHub's. */
    public EmbeddedGitHub(Clock clock) throws IOException {
        key = newKey();
        webhooks = new WebhookSender(WEBHOOK_SECRET, faults, clock, WebhookSender.GITHUBS_PATIENCE);
        state = new ActionsState(clock, this::send);
        runnerService = new RunnerService(state);
        server = new LoopbackServer(clock, this::handle);
        downloads = new RunnerDownloads(apiUrl().toString());
        documents = new Documents(apiUrl().toString(), APP_ID);
        rest = new RestApi(
                state, webhooks, downloads, documents, faults, clock, APP_ID, () -> key.getPublic(), server.port());
        ready.countDown();
    }

    private static KeyPair newKey() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(2048);
            return generator.generateKeyPair();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has RSA", e);
        }
    }

    private void send(String action, EmbeddedJob job) {
        // As with GitHub, an App hears nothing of where it is not installed, or suspended.
        if (state.hasRepository(job.repository()) && !state.isSuspended(job.repository())) {
            webhooks.send(documents.workflowJobEvent(action, job));
        }
    }

    private void handle(Exchange exchange) throws IOException, InterruptedException {
        ready.await();
        if (exchange.uri().getPath().startsWith("/runner/")) {
            runnerService.handle(exchange);
        } else if (exchange.uri().getPath().startsWith(RunnerDownloads.PREFIX)) {
            downloads.handle(exchange);
        } else {
            rest.handle(exchange);
        }
    }

    /** For {@code github.api_url}. */
    public URI apiUrl() {
        return URI.create("http://127.0.0.1:" + server.port());
    }

    /** For {@code github.app_id}. */
    public String appId() {
        return APP_ID;
    }

    /** For {@code github.webhook_secret}. */
    public String webhookSecret() {
        return WEBHOOK_SECRET;
    }

    /** Writes the App's private key, in PKCS#8, for {@code github.jwt_key_file}; replaces what is there at once. */
    public void writeKey(Path file) throws IOException {
        String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'})
                .encodeToString(key.getPrivate().getEncoded());
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.createFile(next, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.write(
                next,
                ("-----BEGIN PRIVATE KEY-----\n" + base64 + "\n-----END PRIVATE KEY-----\n")
                        .getBytes(StandardCharsets.US_ASCII));
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Somebody makes a new key and deletes the old one, which is refused from now on; {@link #writeKey} writes the new. */
    public void replaceKey() {
        key = newKey();
    }

    /** Is out of reach from now on, for runners as well: connections end, and new ones are refused. */
    public void goDown() {
        server.goDown();
    }

    /** Can be reached again, at the same address. */
    public void comeUp() throws IOException {
        server.comeUp();
    }

    /** Adds a repository in which the App is installed. */
    public void addRepository(RepositoryId repository) {
        state.addRepository(repository);
    }

    /** The App is not installed there any more; its jobs and runners stay. */
    public void removeRepository(RepositoryId repository) {
        state.removeRepository(repository);
        rest.revokeTokens();
    }

    /** The owner suspends the App's installation, for all of the owner's repositories. */
    public void suspendInstallation(RepositoryId repository) {
        state.suspend(repository.owner(), true);
    }

    /** The owner lets the App work again. */
    public void unsuspendInstallation(RepositoryId repository) {
        state.suspend(repository.owner(), false);
    }

    /**
     * Gives a repository's workflows a secret: <code>${{ secrets.NAME }}</code> in a job's script becomes its value, or
     * nothing for a pull request, as with GitHub for those from forks.
     */
    public void addSecret(RepositoryId repository, String name, String value) {
        state.addSecret(repository, name, value);
    }

    /**
     * Publishes a runner, which is the newest from now on, at an address of this server. Before the first call there is none.
     *
     * @param archive a {@code .tar.gz} with {@code run.sh} at its top
     */
    public void publishRunner(String version, byte[] archive) {
        downloads.publish(version, archive);
    }

    /** Offers any runner as the newest, be it there or not. */
    public void offerRunner(RunnerOffer offer) {
        downloads.offer(offer);
    }

    /** How many times a runner's archive was sent. */
    public int runnerDownloads() {
        return downloads.count();
    }

    /** Where webhooks go from now on; before the first call they go nowhere. */
    public void webhookTarget(WebhookTarget target) {
        webhooks.target(target);
    }

    public JobId queueJob(JobRequest request) {
        return state.queue(request);
    }

    /** Lets a job that needs approval be queued. */
    public void approve(JobId job) {
        state.approve(job);
    }

    /** Ends a job that is not over; its runner, if any, is gone. */
    public void cancelJob(JobId job) {
        state.cancel(job);
    }

    /** Somebody has the run of a job that is over run again: the run keeps its number and date, the new job has its own. */
    public JobId runAgain(JobId job) {
        return state.runAgain(job);
    }

    /** Somebody deletes a job's run, and no webhook tells of it. */
    public void deleteRun(JobId job) {
        state.deleteRun(job);
    }

    /**
     * Fails the jobs of busy runners that were not heard of for so long, as GitHub does after some minutes; their runners
     * stay, offline and idle. The demo's runner is heard of every five seconds.
     */
    public void loseSilentRunners(Duration silence) {
        state.loseSilent(silence);
    }

    public EmbeddedJob job(JobId job) {
        return state.job(job);
    }

    /** All jobs ever queued, oldest first. */
    public List<EmbeddedJob> jobs() {
        return state.jobs();
    }

    /** All runners that are registered. One that was not heard of for a minute is offline, unless it is busy. */
    public List<EmbeddedRunner> runners() {
        return state.runners();
    }

    /** The latest REST requests, oldest first, as {@code METHOD /path status}; without an answer, {@code cut} for a status. */
    public List<String> requests() {
        return rest.requests();
    }

    /**
     * The latest webhooks, in the order in which they were answered, as {@code action job status}; for one that could not be
     * delivered, {@code failed} and the reason in place of the status.
     */
    public List<String> deliveries() {
        return webhooks.deliveries().stream().map(WebhookDelivery::summary).toList();
    }

    /** How many requests have counted against rate limits, of the App and all its installations, in the present hour. */
    public int requestsCounted() {
        return rest.requestsCounted();
    }

    /** All installation tokens are invalid from now on. */
    public void revokeTokens() {
        rest.revokeTokens();
    }

    public Faults faults() {
        return faults;
    }

    @Override
    public void close() {
        webhooks.close();
        rest.close();
        server.close();
    }
}
