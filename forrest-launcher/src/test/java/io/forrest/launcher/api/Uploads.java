package io.forrest.launcher.api;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** What the clients of {@code forrest-runner/upload-artifact} send. */
final class Uploads {
    /** What Node reads a file in. */
    private static final int NODE_CHUNK_BYTES = 64 << 10;

    private Uploads() {}

    /** As the action's Node client sends it, with the empty line at its end. */
    static String nodeHead(String target, String tokens) {
        return "PUT " + target + " HTTP/1.1\r\nauthorization: Bearer " + tokens
                + "\r\nuser-agent: forrest-upload-artifact/0.1\r\nHost: 10.0.2.2:8080\r\nConnection: keep-alive\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n";
    }

    /** The body that follows it. */
    static byte[] chunked(byte[] body) {
        ByteArrayOutputStream chunks = new ByteArrayOutputStream();
        for (int at = 0; at < body.length; at += NODE_CHUNK_BYTES) {
            int length = Math.min(NODE_CHUNK_BYTES, body.length - at);
            chunks.writeBytes((Integer.toHexString(length) + "\r\n").getBytes(StandardCharsets.US_ASCII));
            chunks.write(body, at, length);
            chunks.writeBytes(new byte[] {'\r', '\n'});
        }
        chunks.writeBytes("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        return chunks.toByteArray();
    }

    /** As Python's http.client sends it; its last lines are for the caller to add. */
    static String pythonHead(String target, String tokens, int length) {
        return "PUT " + target + " HTTP/1.1\r\nHost: 10.0.2.2:8080\r\nAccept-Encoding: identity\r\nContent-Length: "
                + length + "\r\nAuthorization: Bearer " + tokens;
    }

    /** A webhook that counts. */
    static byte[] webhook() {
        return """
               {"action": "queued", "repository": {"full_name": "acme/firmware"},
                "workflow_job": {"id": 1, "run_id": 2, "status": "queued", "runner_name": null,
                                 "labels": ["self-hosted", "forrest", "build"]}}
               """
                .getBytes(StandardCharsets.UTF_8);
    }
}
