package io.forrest.launcher.image;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.forrest.images.Generation;
import io.forrest.images.ImageCatalog;
import io.forrest.spi.PluginException;

/** A generation for programs. What is not known is left out. */
final class GenerationJson {
    private GenerationJson() {}

    static ArrayNode array() {
        return JsonNodeFactory.instance.arrayNode();
    }

    static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    static ObjectNode of(ImageCatalog catalog, Generation generation) throws PluginException {
        ObjectNode object = object().put("generation", generation.id().number())
                .put("current", generation.current())
                .put("proven", generation.proven())
                .put("pinned", generation.pinned())
                .put("size_bytes", generation.size().bytes())
                .put("data_bytes", catalog.allocated(generation).bytes())
                .put("file", generation.image().toString())
                .put("source", generation.source());
        generation.madeAt().ifPresent(time -> object.put("made_at", time.toString()));
        generation.repository().ifPresent(repository -> object.put("repository", repository));
        generation.job().ifPresent(job -> object.put("job", job));
        generation.workflowRun().ifPresent(run -> object.put("workflow_run", run));
        generation.commit().ifPresent(commit -> object.put("commit", commit));
        generation.machine().ifPresent(machine -> object.put("runner", machine));
        generation.parent().ifPresent(from -> object.put("parent", from));
        generation.setAside().ifPresent(aside -> object.putObject("set_aside")
                .put("reason", aside.reason())
                .put("time", aside.time().toString())
                .put("by_hand", aside.byHand()));
        generation.problem().ifPresent(problem -> object.put("problem", problem));
        return object;
    }
}
