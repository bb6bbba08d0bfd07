package io.forrest.launcher.bench;

import io.forrest.artifacts.Artifacts;
import io.forrest.artifacts.UploadLedger;
import io.forrest.artifacts.Uploader;
import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.domain.DataSize;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.Secret;
import io.forrest.files.AtomicFiles;
import io.forrest.launcher.CleanUp;
import io.forrest.launcher.api.ApiServer;
import io.forrest.launcher.api.ArtifactRoutes;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code forrest bench artifacts}: the throughput of one large upload, through nginx and straight to Forrest, compared with
 * nginx's own PUT to the same disk. Forrest answers when the artifact is on stable storage, nginx does not wait for that; so
 * nginx's PUT is followed by a sync of its file, and told with and without it.
 */
@Command(
        name = "artifacts",
        description = "Measure the throughput of an upload, compared with nginx's WebDAV PUT to the same disk.",
        mixinStandardHelpOptions = true)
final class ArtifactBench implements Callable<Integer> {
    private static final Path DEFAULT_PARENT = Path.of("/var/tmp");
    private static final long LONGEST_START_NANOS = TimeUnit.SECONDS.toNanos(20);
    private static final String NAME = "artifact.bin";

    @Parameters(
            arity = "0..1",
            paramLabel = "DIRECTORY",
            description =
                    "where to work, for a moment; default: /var/tmp. In memory, e.g. on /dev/shm, it is the programs"
                            + " that are compared, without the disk")
    private Optional<Path> directory = Optional.empty();

    @Option(names = "--size", defaultValue = "1G", description = "how much to upload; default: ${DEFAULT-VALUE}")
    private String size;

    @Option(names = "--rounds", defaultValue = "5", description = "how many uploads each; default: ${DEFAULT-VALUE}")
    private int rounds;

    @Option(names = "--json", description = "Print the figures as one line of JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    /** An upload's way. */
    private record Way(String name, InetSocketAddress server, String target, Path arrives) {}

    /** In seconds. */
    private static final class Times {
        private final List<Double> answered = new ArrayList<>();
        private final List<Double> synced = new ArrayList<>();
    }

    @Override
    public Integer call() throws InterruptedException {
        try (CleanUp cleanUp = new CleanUp()) {
            measure(DataSize.parse(size).bytes(), cleanUp);
            return 0;
        } catch (IOException | IllegalArgumentException e) {
            spec.commandLine().getErr().println(e.getMessage());
            return 1;
        }
    }

    private void measure(long bytes, CleanUp cleanUp) throws IOException, InterruptedException {
        Path work = Files.createTempDirectory(directory.orElse(DEFAULT_PARENT), "forrest-");
        cleanUp.add(() -> delete(work));
        Secret token = Secret.of("bench");
        ApiServer forrest = cleanUp.add(startForrest(work, token, bytes * (2L * rounds + 2)));
        InetSocketAddress nginx = startNginx(work, cleanUp);
        InetSocketAddress tcp = local(forrest.port().orElseThrow());
        Way viaNginx = new Way(
                "nginx",
                nginx,
                "/artifact/artifact/" + NAME,
                work.resolve("store").resolve(NAME));
        Way direct = new Way(
                "direct",
                tcp,
                "/artifact/artifact/" + NAME,
                work.resolve("store").resolve(NAME));
        Way dav = new Way("webdav", nginx, "/dav/" + NAME, work.resolve("dav").resolve(NAME));
        Times[] times = {new Times(), new Times(), new Times()};
        List<Way> ways = List.of(viaNginx, direct, dav);
        // The first round warms up.
        for (int round = -1; round < rounds; round++) {
            for (int way = 0; way < ways.size(); way++) {
                upload(ways.get(way), token, bytes, round < 0 ? new Times() : times[way]);
            }
        }
        report(bytes, times[0], times[1], times[2]);
    }

    private static ApiServer startForrest(Path work, Secret token, long quota) throws IOException {
        MachineTypeId type = MachineTypeId.parse("acme/firmware/build");
        Path run = Files.createDirectory(work.resolve("run"));
        Uploader machine = new Uploader(
                MachineId.random(type),
                List.of(new ArtifactStore(
                        "artifact",
                        work.resolve("store").toString(),
                        "https://artifacts.example.com",
                        new DataSize(quota),
                        Optional.empty())),
                token,
                new UploadLedger(run),
                () -> true);
        ApiServer server = new ApiServer(
                work.resolve("api.sock"),
                ApiServer.Clients.EVERYBODY,
                Optional.of(local(0)),
                new ArtifactRoutes(new Artifacts(() -> List.of(machine))));
        server.start();
        return server;
    }

    private static InetSocketAddress local(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private static InetSocketAddress startNginx(Path work, CleanUp cleanUp) throws IOException, InterruptedException {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        Files.createDirectory(work.resolve("dav"));
        Path config = work.resolve("nginx.conf");
        Files.writeString(
                config,
                """
                daemon off;
                worker_processes 1;
                pid %1$s/nginx.pid;
                %3$s
                events {}
                http {
                    access_log off;
                    client_body_temp_path %1$s/body;
                    proxy_temp_path %1$s/proxy;
                    fastcgi_temp_path %1$s/fastcgi;
                    uwsgi_temp_path %1$s/uwsgi;
                    scgi_temp_path %1$s/scgi;
                    client_max_body_size 0;
                    client_body_buffer_size 256k;
                    server {
                        listen 127.0.0.1:%2$d;
                        location /dav/ {
                            root %1$s;
                            dav_methods PUT;
                        }
                        location /artifact {
                            proxy_pass http://unix:%1$s/api.sock:/artifact;
                            proxy_http_version 1.1;
                            proxy_request_buffering off;
                            proxy_read_timeout 10m;
                        }
                    }
                }
                """
                        .formatted(work, port, System.getProperty("user.name").equals("root") ? "user root;" : ""));
        Process nginx = new ProcessBuilder(
                        "nginx", "-c", config.toString(), "-p", work.toString(), "-e", work + "/nginx.log")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        cleanUp.add(() -> {
            nginx.destroy();
            nginx.waitFor(20, TimeUnit.SECONDS);
        });
        long deadlineNanos = System.nanoTime() + LONGEST_START_NANOS;
        while (!listens(local(port))) {
            if (!nginx.isAlive() || System.nanoTime() > deadlineNanos) {
                throw new IOException("nginx does not start: " + Files.readString(work.resolve("nginx.log")));
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
        }
        return local(port);
    }

    private static boolean listens(InetSocketAddress address) {
        try (SocketChannel answers = SocketChannel.open(address)) {
            return answers.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    private static void upload(Way way, Secret token, long bytes, Times times) throws IOException {
        ByteBuffer piece = ByteBuffer.allocateDirect(1 << 20);
        byte[] noise = new byte[piece.capacity()];
        new Random(1).nextBytes(noise);
        piece.put(noise).flip();
        long before = System.nanoTime();
        try (SocketChannel channel = SocketChannel.open(way.server())) {
            write(
                    channel,
                    ByteBuffer.wrap(("PUT " + way.target() + " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "
                                    + token.reveal() + "\r\nContent-Length: " + bytes
                                    + "\r\nConnection: close\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII)));
            for (long left = bytes; left > 0; left -= piece.limit()) {
                piece.clear().limit((int) Math.min(piece.capacity(), left));
                write(channel, piece);
            }
            ByteBuffer answer = ByteBuffer.allocate(1 << 12);
            while (answer.position() < 12) {
                if (channel.read(answer) < 0) {
                    break;
                }
            }
            times.answered.add((System.nanoTime() - before) / 1e9);
            String status = new String(answer.array(), 0, answer.position(), StandardCharsets.ISO_8859_1);
            if (!status.startsWith("HTTP/1.1 201") && !status.startsWith("HTTP/1.1 204")) {
                throw new IOException("The upload to " + way.name() + " failed: " + status);
            }
        }
        AtomicFiles.sync(way.arrives());
        AtomicFiles.sync(way.arrives().getParent());
        times.synced.add((System.nanoTime() - before) / 1e9);
        if (Files.size(way.arrives()) != bytes) {
            throw new IOException(way.arrives() + " does not have the " + bytes + " bytes that were sent.");
        }
        Files.delete(way.arrives());
    }

    private static void write(SocketChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private void report(long bytes, Times viaNginx, Times direct, Times dav) {
        PrintWriter out = spec.commandLine().getOut();
        double mebibytes = bytes / (double) (1 << 20);
        double nginxRate = mebibytes / median(viaNginx.answered);
        double directRate = mebibytes / median(direct.answered);
        double davRate = mebibytes / median(dav.synced);
        double davUnsyncedRate = mebibytes / median(dav.answered);
        if (json) {
            out.printf(
                    Locale.ROOT,
                    "{\"bytes\":%d,\"n\":%d,\"nginx_mib_s\":%.0f,\"direct_mib_s\":%.0f,\"webdav_synced_mib_s\":%.0f,"
                            + "\"webdav_mib_s\":%.0f,\"ratio_nginx\":%.2f,\"ratio_direct\":%.2f}%n",
                    bytes,
                    rounds,
                    nginxRate,
                    directRate,
                    davRate,
                    davUnsyncedRate,
                    nginxRate / davRate,
                    directRate / davRate);
            return;
        }
        out.printf(
                Locale.ROOT,
                """
                One upload of %s, medians of %d, in turns:
                  %-46s %,6.0f MiB/s
                  %-46s %,6.0f MiB/s  %.2f
                  %-46s %,6.0f MiB/s  %.2f
                  %-46s %,6.0f MiB/s
                """,
                new DataSize(bytes),
                rounds,
                "nginx's WebDAV PUT and a sync of its file",
                davRate,
                "to Forrest through nginx, synced",
                nginxRate,
                nginxRate / davRate,
                "straight to Forrest over TCP, synced",
                directRate,
                directRate / davRate,
                "nginx's WebDAV PUT, in memory when answered",
                davUnsyncedRate);
    }

    private static double median(List<Double> seconds) {
        return new Percentiles(seconds).percentile(50);
    }

    private static void delete(Path tree) throws IOException {
        List<Path> deepestFirst;
        try (Stream<Path> files = Files.walk(tree)) {
            deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : deepestFirst) {
            Files.delete(file);
        }
    }
}
