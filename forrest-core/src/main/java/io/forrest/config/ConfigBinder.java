package io.forrest.config;

import io.forrest.config.MachineType.ArtifactStore;
import io.forrest.config.MachineType.SetupTemplate;
import io.forrest.config.MachineType.SharedDirectory;
import io.forrest.config.MachineType.VdeInterface;
import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import io.forrest.spi.HypervisorFactory;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Makes the model from a document. Goes on after each problem, so that all of them are reported; what depends on a wrong
 * value is left out without a further word.
 *
 * <p>By hand rather than by reflection: the messages are the point of it. Used once.
 */
final class ConfigBinder {
    private static final Map<String, UseBase> USE_BASE =
            new TreeMap<>(Map.of("if_newer", UseBase.IF_NEWER, "always", UseBase.ALWAYS, "never", UseBase.NEVER));

    private static final Map<String, RunnerSource> RUNNER =
            new TreeMap<>(Map.of("template", RunnerSource.TEMPLATE, "auto", RunnerSource.AUTO));

    private static final String OWNER_NAMES = "Owners at GitHub have letters, digits and hyphens in their names.";
    private static final String REPOSITORY_NAMES =
            "Repositories at GitHub have letters, digits and . _ - in their names.";
    private static final String TYPE_NAMES =
            "Use up to 39 letters, digits and . _ - of which neither . nor - is the first.";
    private static final String DEFAULT_STORE = "artifact";

    private static final int MOST_LISTED = 5;

    private final ConfigDocument document;
    private final Map<String, HypervisorFactory> hypervisors = new TreeMap<>();
    private final ConfigProblems problems;

    /** Every machine type that the file has, in the spelling of its key; also those that turn out to be wrong. */
    private final Map<MachineTypeId, MachineTypeId> declared = new TreeMap<>();

    private final Map<MachineTypeId, Base> bases = new TreeMap<>();
    private final Map<MachineTypeId, DataSize> rams = new TreeMap<>();

    /** What machine types have that do not say. */
    private RunnerSource hostRunner = HostConfig.DEFAULT_RUNNER;

    private record Base(ConfigValue place, MachineTypeId id) {}

    private ConfigBinder(ConfigDocument document, Collection<HypervisorFactory> hypervisors, ConfigProblems problems) {
        this.document = document;
        hypervisors.forEach(factory -> this.hypervisors.put(factory.name(), factory));
        this.problems = problems;
    }

    /**
     * What came of a document.
     *
     * @param host its section {@code host}; empty if that has problems
     * @param config the model; empty if there are problems anywhere
     */
    record Bound(Optional<HostConfig> host, Optional<ForrestConfig> config) {}

    /** Reports all problems. */
    static Bound bind(ConfigDocument document, Collection<HypervisorFactory> hypervisors, ConfigProblems problems) {
        return new ConfigBinder(document, hypervisors, problems).bind();
    }

    private Bound bind() {
        ConfigNode.Mapping mapping = document.root();
        ConfigSection root = new ConfigSection(new ConfigValue("", mapping.line(), mapping, problems), mapping);
        declareMachineTypes(root);
        int problemsBefore = problems.count();
        Optional<HostConfig> host = root.required("host", ConfigValue::section).flatMap(this::host);
        boolean hostIsGood = problems.count() == problemsBefore;
        Optional<GitHubConfig> github =
                root.required("github", ConfigValue::section).flatMap(ConfigBinder::github);
        Optional<Map<RepositoryId, RepositoryConfig>> repositories =
                root.required("repositories", ConfigValue::section).map(this::repositories);
        root.finish();
        checkBases();
        root.optional("host", ConfigBinder::quietSection)
                .flatMap(section -> section.find("ram"))
                .ifPresent(this::checkRam);
        Optional<ForrestConfig> config = problems.isEmpty()
                ? Optional.of(new ForrestConfig(host.orElseThrow(), github.orElseThrow(), repositories.orElseThrow()))
                : Optional.empty();
        return new Bound(hostIsGood ? host : Optional.empty(), config);
    }

    // ---- host ----

    private Optional<HostConfig> host(ConfigSection section) {
        Optional<Path> baseDirectory = section.required("base_dir", ConfigValue::file);
        Optional<DataSize> ram = section.required("ram", ConfigValue::sizeAboveZero);
        DataSize diskReserve =
                section.optional("disk_reserve", ConfigValue::size).orElse(HostConfig.DEFAULT_DISK_RESERVE);
        RetentionConfig retention = section.optional("retention", ConfigValue::section)
                .map(ConfigBinder::retention)
                .orElse(RetentionConfig.DEFAULT);
        hostRunner = section.optional("runner", place -> place.oneOf(RUNNER)).orElse(hostRunner);
        Optional<InetSocketAddress> listen = section.optional("listen", ConfigValue::addressAndPort);
        Optional<ConfigValue> hypervisorPlace = section.find("hypervisor");
        String hypervisor = hypervisorPlace.flatMap(ConfigValue::word).orElse(HostConfig.DEFAULT_HYPERVISOR);
        if (!hypervisors.containsKey(hypervisor)) {
            hypervisorPlace
                    .orElse(section.place())
                    .problem(
                            "There is no hypervisor " + Display.quoted(hypervisor) + " in this installation.",
                            Suggestion.closest(hypervisor, hypervisors.keySet())
                                    .map(meant -> "Did you mean " + meant + "?")
                                    .orElse(
                                            hypervisors.isEmpty()
                                                    ? "It has none at all."
                                                    : "There is " + String.join(", ", hypervisors.keySet()) + "."));
        }
        Map<String, String> settings = Map.of();
        for (HypervisorFactory factory : hypervisors.values()) {
            Optional<ConfigSection> own = section.optional(factory.name(), ConfigValue::section);
            Map<String, String> checked = settings(factory, own);
            settings = factory.name().equals(hypervisor) ? checked : settings;
        }
        // The settings of a mistyped hypervisor are not a mistake of their own.
        section.find(hypervisor);
        section.finish();
        if (baseDirectory.isEmpty() || ram.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new HostConfig(
                baseDirectory.get(), ram.get(), diskReserve, listen, hypervisor, settings, hostRunner, retention));
    }

    private static RetentionConfig retention(ConfigSection section) {
        RetentionConfig ifNotGiven = RetentionConfig.DEFAULT;
        int generations =
                section.optional("generations", ConfigValue::positiveNumber).orElse(ifNotGiven.generations());
        Optional<Duration> generationAge = section.optional("generation_age", ConfigValue::durationAboveZero);
        Duration runs = section.optional("runs", ConfigValue::durationAboveZero).orElse(ifNotGiven.runs());
        DataSize logSize =
                section.optional("log_size", ConfigValue::sizeAboveZero).orElse(ifNotGiven.logSize());
        section.finish();
        return new RetentionConfig(generations, generationAge, runs, logSize);
    }

    private Map<String, String> settings(HypervisorFactory factory, Optional<ConfigSection> section) {
        if (section.isEmpty()) {
            return Map.of();
        }
        Map<String, ConfigValue> places = section.get().named();
        Map<String, String> settings = new TreeMap<>();
        places.forEach((key, place) -> place.text().ifPresent(text -> settings.put(key, text)));
        String prefix = section.get().place().path() + ".";
        try {
            for (HostProblem problem : factory.checkSettings(settings)) {
                String key = problem.where().startsWith(prefix)
                        ? problem.where().substring(prefix.length())
                        : problem.where();
                ConfigValue place = places.getOrDefault(key, section.get().place());
                problems.add(place.line(), prefix + Display.key(key), problem.what(), problem.remedy());
            }
        } catch (RuntimeException e) {
            // A plugin's fault must not become the daemon's.
            section.get()
                    .place()
                    .problem(
                            "The hypervisor " + factory.name() + " failed to check its settings: "
                                    + Display.clean(e.toString()) + ".",
                            "Tell its authors.");
        }
        return settings;
    }

    // ---- github ----

    private static Optional<GitHubConfig> github(ConfigSection section) {
        Optional<String> appId = section.required("app_id", ConfigValue::word);
        Optional<Path> keyFile = section.required("jwt_key_file", ConfigValue::file);
        Optional<Secret> webhookSecret = section.required("webhook_secret", ConfigValue::secret);
        Duration pollingInterval = section.optional("polling_interval", ConfigValue::durationAboveZero)
                .orElse(GitHubConfig.DEFAULT_POLLING_INTERVAL);
        URI apiUrl = section.optional("api_url", ConfigValue::webAddress).orElse(GitHubConfig.DEFAULT_API_URL);
        section.finish();
        if (appId.isEmpty() || keyFile.isEmpty() || webhookSecret.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new GitHubConfig(appId.get(), keyFile.get(), webhookSecret.get(), pollingInterval, apiUrl));
    }

    // ---- repositories ----

    /** Looks ahead, so that a base machine may stand anywhere in the file. Reports nothing. */
    private void declareMachineTypes(ConfigSection root) {
        named(root.optional("repositories", ConfigBinder::quietSection))
                .forEach((owner, repositories) -> named(quietSection(repositories))
                        .forEach((name, repository) -> named(quietSection(repository)
                                        .flatMap(section -> section.optional("machines", ConfigBinder::quietSection)))
                                .keySet()
                                .forEach(type -> {
                                    try {
                                        MachineTypeId id = new MachineTypeId(new RepositoryId(owner, name), type);
                                        declared.putIfAbsent(id, id);
                                    } catch (IllegalArgumentException e) {
                                        // Is reported when its turn comes.
                                    }
                                })));
    }

    private static Optional<ConfigSection> quietSection(ConfigValue value) {
        return value.node() instanceof ConfigNode.Mapping ? value.section() : Optional.empty();
    }

    private static Map<String, ConfigValue> named(Optional<ConfigSection> section) {
        return section.map(ConfigSection::named).orElse(Map.of());
    }

    private Map<RepositoryId, RepositoryConfig> repositories(ConfigSection section) {
        Map<RepositoryId, RepositoryConfig> repositories = new HashMap<>();
        Map<RepositoryId, ConfigValue> places = new HashMap<>();
        section.named().forEach((owner, ownerPlace) -> {
            if (name(ownerPlace, owner, text -> new RepositoryId(text, "any"), OWNER_NAMES)
                    .isEmpty()) {
                return;
            }
            named(ownerPlace.section()).forEach((name, place) -> {
                Optional<RepositoryId> id = name(place, name, text -> new RepositoryId(owner, text), REPOSITORY_NAMES);
                if (id.isEmpty()) {
                    return;
                }
                Optional<ConfigValue> before = Optional.ofNullable(places.putIfAbsent(id.get(), place));
                before.ifPresent(first -> place.problem(
                        "GitHub ignores case: this is the repository " + first.path() + " of line " + first.line()
                                + ".",
                        "Put both into one."));
                place.section()
                        .flatMap(repository -> repository(id.get(), repository))
                        .ifPresent(repository -> repositories.put(id.get(), repository));
            });
        });
        return repositories;
    }

    private static <T> Optional<T> name(ConfigValue place, String name, Function<String, T> parser, String remedy) {
        try {
            return Optional.of(parser.apply(name));
        } catch (IllegalArgumentException e) {
            place.problem(Display.quoted(name) + " cannot be a name here.", remedy);
            return Optional.empty();
        }
    }

    private Optional<RepositoryConfig> repository(RepositoryId id, ConfigSection section) {
        Optional<Secret> token = section.optional("persistence_token", ConfigValue::secret);
        Map<String, MachineType> machines = new HashMap<>();
        Map<String, ConfigValue> places = new HashMap<>();
        named(section.required("machines", ConfigValue::section)).forEach((name, place) -> {
            Optional<MachineTypeId> type = name(place, name, text -> new MachineTypeId(id, text), TYPE_NAMES);
            if (type.isEmpty()) {
                return;
            }
            Optional<ConfigValue> before =
                    Optional.ofNullable(places.putIfAbsent(name.toLowerCase(Locale.ROOT), place));
            before.ifPresent(first -> place.problem(
                    "GitHub ignores case in labels: no job could tell this from " + first.path() + " of line "
                            + first.line() + ".",
                    "Give it another name."));
            place.section()
                    .flatMap(machine -> machineType(type.get(), machine))
                    .ifPresent(machine -> machines.put(name, machine));
        });
        section.finish();
        return Optional.of(new RepositoryConfig(token, machines));
    }

    private Optional<MachineType> machineType(MachineTypeId id, ConfigSection section) {
        Optional<MachineTypeId> baseMachine = section.optional("base_machine", place -> baseMachine(id, place));
        Optional<Path> baseImage = section.optional("base_image", ConfigValue::file);
        UseBase useBase =
                section.optional("use_base", place -> place.oneOf(USE_BASE)).orElse(UseBase.IF_NEWER);
        Optional<SetupTemplate> setupTemplate =
                section.required("setup_template", ConfigValue::section).flatMap(ConfigBinder::setupTemplate);
        RunnerSource runner =
                section.optional("runner", place -> place.oneOf(RUNNER)).orElse(hostRunner);
        Optional<Integer> cpus = section.required("cpus", ConfigValue::positiveNumber);
        Optional<DataSize> disk = section.required("disk", ConfigValue::size);
        Optional<DataSize> ram = section.required("ram", ConfigValue::guestRam);
        ram.ifPresent(size -> rams.put(id, size));
        List<SharedDirectory> shared = list(section, "shared", ConfigBinder::sharedDirectory);
        checkTags(section);
        List<VdeInterface> networkInterfaces = list(section, "network_interfaces", ConfigBinder::vdeInterface);
        List<ArtifactStore> artifacts = list(section, "artifacts", ConfigBinder::artifactStore);
        checkStoreNames(section);
        section.finish();
        if (setupTemplate.isEmpty() || cpus.isEmpty() || disk.isEmpty() || ram.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new MachineType(
                id,
                baseMachine,
                baseImage,
                useBase,
                setupTemplate.get(),
                runner,
                cpus.get(),
                disk.get(),
                ram.get(),
                shared,
                networkInterfaces,
                artifacts));
    }

    private static <T> List<T> list(ConfigSection section, String key, Function<ConfigSection, Optional<T>> reading) {
        List<T> list = new ArrayList<>();
        section.optional(key, ConfigValue::items)
                .orElse(List.of())
                .forEach(item -> item.section().flatMap(reading).ifPresent(list::add));
        return list;
    }

    private static Optional<SetupTemplate> setupTemplate(ConfigSection section) {
        Optional<Path> path = section.required("path", ConfigValue::file);
        Map<String, String> parameters = new TreeMap<>();
        named(section.optional("parameters", ConfigValue::section))
                .forEach((key, place) -> place.text().ifPresent(text -> parameters.put(key, text)));
        section.finish();
        return path.map(directory -> new SetupTemplate(directory, parameters));
    }

    private static Optional<SharedDirectory> sharedDirectory(ConfigSection section) {
        Optional<Path> path = section.required("path", ConfigValue::file);
        Optional<String> tag = section.required("tag", ConfigValue::word);
        boolean writable = section.optional("writable", ConfigValue::flag).orElse(false);
        section.finish();
        return path.flatMap(directory -> tag.map(name -> new SharedDirectory(directory, name, writable)));
    }

    private static Optional<VdeInterface> vdeInterface(ConfigSection section) {
        section.required("type", place -> place.oneOf(Map.of("vde", true)));
        Optional<Path> path = section.required("path", ConfigValue::file);
        section.finish();
        return path.map(VdeInterface::new);
    }

    private static Optional<ArtifactStore> artifactStore(ConfigSection section) {
        String name = section.optional("name", ConfigBinder::storeName).orElse(DEFAULT_STORE);
        Optional<String> path = section.required("path", ConfigValue::word);
        Optional<String> url = section.required("url", ConfigValue::word);
        Optional<DataSize> quota = section.required("quota", ConfigValue::size);
        Optional<Secret> token = section.optional("token", ConfigValue::secret);
        section.finish();
        if (path.isEmpty() || url.isEmpty() || quota.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new ArtifactStore(name, path.get(), url.get(), quota.get(), token));
    }

    private static Optional<String> storeName(ConfigValue place) {
        return place.word().filter(name -> {
            boolean possible = !name.contains("/") && !name.equals(".") && !name.equals("..");
            if (!possible) {
                place.problem(
                        Display.quoted(name) + " cannot be the name of a store: it is one step of the address that"
                                + " artifacts are uploaded to.",
                        "Use a name without slashes.");
            }
            return possible;
        });
    }

    private static void checkTags(ConfigSection section) {
        Map<String, ConfigValue> places = new HashMap<>();
        for (ConfigValue item :
                section.optional("shared", ConfigBinder::quietItems).orElse(List.of())) {
            quietSection(item).flatMap(directory -> directory.find("tag")).ifPresent(place -> {
                if (place.node() instanceof ConfigNode.Scalar tag) {
                    Optional.ofNullable(places.putIfAbsent(tag.text(), place))
                            .ifPresent(first -> place.problem(
                                    "The tag " + Display.quoted(tag.text()) + " is already that of " + first.path()
                                            + ".",
                                    "Give each shared directory a tag of its own."));
                }
            });
        }
    }

    private static void checkStoreNames(ConfigSection section) {
        Map<String, ConfigValue> places = new HashMap<>();
        for (ConfigValue item :
                section.optional("artifacts", ConfigBinder::quietItems).orElse(List.of())) {
            quietSection(item).ifPresent(store -> {
                Optional<ConfigValue> given = store.find("name");
                ConfigValue place = given.orElse(item);
                String name = given.map(ConfigValue::node)
                        .filter(ConfigNode.Scalar.class::isInstance)
                        .map(node -> ((ConfigNode.Scalar) node).text())
                        .orElse(DEFAULT_STORE);
                Optional.ofNullable(places.putIfAbsent(name, place))
                        .ifPresent(first -> place.problem(
                                "The name " + Display.quoted(name) + " is already that of " + first.path()
                                        + (given.isPresent() ? "." : "; it is the default."),
                                "Give each store a name of its own."));
            });
        }
    }

    private static Optional<List<ConfigValue>> quietItems(ConfigValue value) {
        return value.node() instanceof ConfigNode.Sequence ? value.items() : Optional.empty();
    }

    // ---- what holds between machine types ----

    private Optional<MachineTypeId> baseMachine(MachineTypeId id, ConfigValue place) {
        Optional<MachineTypeId> wanted = place.parsed(MachineTypeId::parse);
        if (wanted.isEmpty()) {
            return Optional.empty();
        }
        // The spelling of the base's own key: images are found by it, and file systems do not ignore case.
        Optional<MachineTypeId> base = Optional.ofNullable(declared.get(wanted.get()));
        if (base.isEmpty()) {
            Set<String> names =
                    declared.keySet().stream().map(MachineTypeId::toString).collect(Collectors.toSet());
            place.problem(
                    "The configuration has no machine type " + wanted.get() + ".",
                    Suggestion.closest(wanted.get().toString(), names)
                            .map(meant -> "Did you mean " + meant + "?")
                            .orElse("Add it, or name one that is there."));
        }
        base.ifPresent(found -> bases.put(id, new Base(place, found)));
        return base;
    }

    private void checkBases() {
        Set<MachineTypeId> cleared = new HashSet<>();
        for (MachineTypeId start : bases.keySet()) {
            Map<MachineTypeId, Base> way = new LinkedHashMap<>();
            MachineTypeId at = start;
            while (bases.containsKey(at) && !cleared.contains(at) && !way.containsKey(at)) {
                way.put(at, bases.get(at));
                at = bases.get(at).id();
            }
            if (way.containsKey(at)) {
                reportCircle(at, way);
            }
            cleared.addAll(way.keySet());
        }
    }

    private static void reportCircle(MachineTypeId first, Map<MachineTypeId, Base> way) {
        StringBuilder circle = new StringBuilder(first.toString());
        MachineTypeId at = first;
        do {
            at = way.get(at).id();
            circle.append(" -> ").append(at);
        } while (!at.equals(first));
        way.get(first)
                .place()
                .problem(
                        "The base machines form a circle, so none of them could ever start: " + circle + ".",
                        "Let one of them start from a base_image.");
    }

    private void checkRam(ConfigValue place) {
        Optional<DataSize> host = place.node() instanceof ConfigNode.Scalar scalar
                ? readableSize(scalar.text()).filter(size -> !size.equals(DataSize.ZERO))
                : Optional.empty();
        List<String> tooLarge = new ArrayList<>();
        host.ifPresent(limit -> rams.forEach((id, ram) -> {
            if (ram.compareTo(limit) > 0) {
                tooLarge.add("the " + ram + " of machine type " + id);
            }
        }));
        if (!tooLarge.isEmpty()) {
            int more = tooLarge.size() - MOST_LISTED;
            place.problem(
                    host.get() + " is less than "
                            + String.join(" and ", tooLarge.subList(0, Math.min(tooLarge.size(), MOST_LISTED)))
                            + (more > 0 ? " and that of " + more + " more" : "") + ", which could never start.",
                    "");
        }
    }

    private static Optional<DataSize> readableSize(String text) {
        try {
            return Optional.of(DataSize.parse(text));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
