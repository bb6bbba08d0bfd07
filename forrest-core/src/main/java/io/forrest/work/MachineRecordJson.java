package io.forrest.work;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.config.MachineType;
import io.forrest.domain.DataSize;
import io.forrest.domain.JobId;
import io.forrest.domain.JobObservation;
import io.forrest.domain.JobStatus;
import io.forrest.domain.MacAddress;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import io.forrest.fleet.MachineOutcome;
import io.forrest.spi.DiskOrigin;
import java.io.IOException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;

/** A {@link MachineRecord} as JSON. Fields that are not known are passed over; a later format is refused as a whole. */
final class MachineRecordJson {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Raised when an older Forrest would read the file wrongly, not for one more field. */
    private static final int FORMAT = 1;

    private MachineRecordJson() {}

    static byte[] write(MachineRecord machine) throws IOException {
        ObjectNode json = JSON.createObjectNode()
                .put("format", FORMAT)
                .put("runner", machine.machine().runnerName())
                .put("stage", machine.stage().name())
                .put("requested_at", machine.requestedAt().toString());
        machine.persistenceToken().ifPresent(token -> json.put("persistence_token", token.reveal()));
        machine.runToken().ifPresent(token -> json.put("run_token", token.reveal()));
        machine.origin().ifPresent(origin -> json.putObject("disk_made_of")
                .put("image", origin.image().toString())
                .put("own_image", origin.ownImage())
                .put("version", origin.version()));
        machine.runnerId().ifPresent(id -> json.put("runner_id", id));
        machine.vmStartedAt().ifPresent(at -> json.put("vm_started_at", at.toString()));
        machine.job().ifPresent(job -> write(job, json.putObject("job")));
        machine.endedAt().ifPresent(at -> json.put("ended_at", at.toString()));
        machine.macs().forEach(mac -> json.withArray("macs").add(mac.toString()));
        machine.outcome().ifPresent(outcome -> json.putObject("outcome")
                .put("disk", outcome.disk().name())
                .put("reason", outcome.reason()));
        write(machine.type(), json.putObject("machine_type"));
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(json);
    }

    private static void write(JobObservation job, ObjectNode json) {
        json.put("id", job.job().value())
                .put("workflow_run_id", job.workflowRunId())
                .put("repository", job.repository().toString())
                .put("status", job.status().name())
                .put("observed_at", job.observedAt().toString())
                .put("source", job.source());
        job.runnerName().ifPresent(name -> json.put("runner_name", name));
        job.commit().ifPresent(commit -> json.put("commit", commit));
        job.labels().forEach(json.putArray("labels")::add);
    }

    private static void write(MachineType type, ObjectNode json) {
        json.put("id", type.id().toString())
                .put("use_base", type.useBase().name())
                .put("setup_template", type.setupTemplate().path().toString())
                .put("runner", type.runner().name())
                .put("cpus", type.cpus())
                .put("disk", type.disk().toString())
                .put("ram", type.ram().toString());
        type.baseMachine().ifPresent(base -> json.put("base_machine", base.toString()));
        type.baseImage().ifPresent(base -> json.put("base_image", base.toString()));
        ArrayNode shared = json.putArray("shared");
        type.shared().forEach(directory -> shared.addObject()
                .put("path", directory.path().toString())
                .put("tag", directory.tag())
                .put("writable", directory.writable()));
        ArrayNode interfaces = json.putArray("network_interfaces");
        type.networkInterfaces()
                .forEach(vde -> interfaces.addObject().put("path", vde.path().toString()));
        ArrayNode artifacts = json.putArray("artifacts");
        type.artifacts().forEach(store -> {
            ObjectNode entry = artifacts
                    .addObject()
                    .put("name", store.name())
                    .put("path", store.path())
                    .put("url", store.url())
                    .put("quota", store.quota().toString());
            store.token().ifPresent(token -> entry.put("token", token.reveal()));
        });
    }

    /** Reads what {@link #write} wrote. Throws {@link IOException} that says what is wrong with it. */
    static MachineRecord read(byte[] bytes, MachineId machine) throws IOException {
        JsonNode json;
        try {
            json = JSON.readTree(bytes);
        } catch (JsonProcessingException e) {
            throw new IOException("it is no JSON: " + e.getOriginalMessage(), e);
        }
        if (json == null || !json.isObject()) {
            throw new IOException("it is empty or torn");
        }
        int format = json.path("format").asInt();
        if (format != FORMAT) {
            throw new IOException("it is of format " + format + ", and this Forrest knows format " + FORMAT);
        }
        try {
            if (!text(json, "runner").equals(machine.runnerName())) {
                throw new IOException("it is of " + text(json, "runner"));
            }
            return new MachineRecord(
                    machine,
                    machineType(json.path("machine_type")),
                    MachineRecord.Stage.valueOf(text(json, "stage")),
                    Instant.parse(text(json, "requested_at")),
                    optional(json, "persistence_token").map(Secret::of),
                    optional(json, "run_token").map(Secret::of),
                    part(json, "disk_made_of")
                            .map(origin -> new DiskOrigin(
                                    Path.of(text(origin, "image")),
                                    origin.path("own_image").asBoolean(),
                                    text(origin, "version"))),
                    json.has("runner_id")
                            ? OptionalLong.of(json.get("runner_id").asLong())
                            : OptionalLong.empty(),
                    optional(json, "vm_started_at").map(Instant::parse),
                    part(json, "job").map(MachineRecordJson::job),
                    optional(json, "ended_at").map(Instant::parse),
                    part(json, "outcome")
                            .map(outcome -> new MachineOutcome(
                                    MachineOutcome.Disk.valueOf(text(outcome, "disk")), text(outcome, "reason"))),
                    list(json, "macs", mac -> MacAddress.parse(mac.asText())));
        } catch (IllegalArgumentException | DateTimeException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static JobObservation job(JsonNode json) {
        return new JobObservation(
                new JobId(json.path("id").asLong()),
                json.path("workflow_run_id").asLong(),
                RepositoryId.parse(text(json, "repository")),
                list(json, "labels", JsonNode::asText),
                JobStatus.valueOf(text(json, "status")),
                optional(json, "runner_name"),
                optional(json, "commit"),
                Instant.parse(text(json, "observed_at")),
                text(json, "source"));
    }

    private static MachineType machineType(JsonNode json) {
        return new MachineType(
                MachineTypeId.parse(text(json, "id")),
                optional(json, "base_machine").map(MachineTypeId::parse),
                optional(json, "base_image").map(Path::of),
                UseBase.valueOf(text(json, "use_base")),
                new MachineType.SetupTemplate(Path.of(text(json, "setup_template")), Map.of()),
                // Records of an earlier Forrest say nothing of it.
                optional(json, "runner").map(RunnerSource::valueOf).orElse(RunnerSource.TEMPLATE),
                json.path("cpus").asInt(),
                DataSize.parse(text(json, "disk")),
                DataSize.parse(text(json, "ram")),
                list(
                        json,
                        "shared",
                        shared -> new MachineType.SharedDirectory(
                                Path.of(text(shared, "path")),
                                text(shared, "tag"),
                                shared.path("writable").asBoolean())),
                list(json, "network_interfaces", vde -> new MachineType.VdeInterface(Path.of(text(vde, "path")))),
                list(
                        json,
                        "artifacts",
                        store -> new MachineType.ArtifactStore(
                                text(store, "name"),
                                text(store, "path"),
                                text(store, "url"),
                                DataSize.parse(text(store, "quota")),
                                optional(store, "token").map(Secret::of))));
    }

    private static <T> List<T> list(JsonNode json, String field, Function<JsonNode, T> element) {
        List<T> list = new ArrayList<>();
        json.path(field).forEach(entry -> list.add(element.apply(entry)));
        return list;
    }

    private static Optional<JsonNode> part(JsonNode json, String field) {
        return Optional.ofNullable(json.get(field)).filter(JsonNode::isObject);
    }

    private static Optional<String> optional(JsonNode json, String field) {
        return Optional.ofNullable(json.path(field).textValue());
    }

    private static String text(JsonNode json, String field) {
        return optional(json, field).orElseThrow(() -> new IllegalArgumentException("it has no \"" + field + "\""));
    }
}
