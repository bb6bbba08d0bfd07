package io.forrest.config;

import static io.forrest.config.ConfigTexts.GITHUB;
import static io.forrest.config.ConfigTexts.HOST;
import static io.forrest.config.ConfigTexts.NEEDED;
import static io.forrest.config.ConfigTexts.build;
import static io.forrest.config.ConfigTexts.lineOf;
import static io.forrest.config.ConfigTexts.load;
import static io.forrest.config.ConfigTexts.machine;
import static io.forrest.config.ConfigTexts.problems;
import static io.forrest.config.ConfigTexts.repositories;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineTypeId;
import io.forrest.domain.RepositoryId;
import io.forrest.domain.RunnerSource;
import io.forrest.domain.Secret;
import io.forrest.domain.UseBase;
import io.forrest.spi.Hypervisor;
import io.forrest.spi.HypervisorFactory;
import io.forrest.testing.MarkdownBlocks;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class ConfigLoadingTest {
    private static final String BUILD = "repositories.acme.firmware.machines.build";

    @Test
    public void everyKeyFindsItsPlaceInTheModel() throws Exception {
        ForrestConfig config =
                load("""
                        host:
                          base_dir: relative/forrest
                          ram: 120G
                          disk_reserve: 20G
                          listen: 127.0.0.1:8080
                          hypervisor: qemu
                          qemu:
                            accelerator: tcg
                            binary: /opt/qemu
                          runner: auto
                          retention:
                            generations: 3
                            generation_age: 90d
                            runs: 36h
                            log_size: 1M
                        github:
                          app_id: 123456
                          jwt_key_file: /etc/forrest/key.pem
                          webhook_secret: 0123
                          polling_interval: 90s
                          api_url: https://github.example.com/api/v3/
                        repositories:
                          Acme:
                            firmware.github.io:
                              persistence_token: "let me stay"
                              machines:
                                base:
                                  setup_template: {path: t}
                                  cpus: 1
                                  disk: 0B
                                  ram: 512M
                                build:
                                  base_machine: acme/Firmware.github.io/base
                                  base_image: images/debian.raw
                                  use_base: always
                                  setup_template:
                                    path: /etc/forrest/template
                                    parameters:
                                      RUNNER_VERSION: 2.310
                                      EMPTY: ""
                                      YES: yes
                                  runner: template
                                  cpus: "4"
                                  disk: 64G
                                  ram: 32G
                                  shared:
                                    - path: /srv/git
                                      tag: shared-git
                                    - {path: /srv/cache, tag: cache, writable: true}
                                  network_interfaces:
                                    - {type: vde, path: /run/vde.ctl}
                                  artifacts:
                                    - path: /srv/<RUNNER_NAME>
                                      url: https://example.com/<RUNNER_NAME>
                                      quota: 20G
                                    - {name: releases, path: r, url: u, quota: 1T, token: extra}
                        """)
                        .config();
        RepositoryId repository = new RepositoryId("Acme", "firmware.github.io");
        MachineTypeId base = new MachineTypeId(repository, "base");
        MachineType build = new MachineType(
                new MachineTypeId(repository, "build"),
                Optional.of(base),
                Optional.of(Path.of("images/debian.raw")),
                UseBase.ALWAYS,
                new MachineType.SetupTemplate(
                        Path.of("/etc/forrest/template"), Map.of("RUNNER_VERSION", "2.310", "EMPTY", "", "YES", "yes")),
                RunnerSource.TEMPLATE,
                4,
                DataSize.ofGibibytes(64),
                DataSize.ofGibibytes(32),
                List.of(
                        new MachineType.SharedDirectory(Path.of("/srv/git"), "shared-git", false),
                        new MachineType.SharedDirectory(Path.of("/srv/cache"), "cache", true)),
                List.of(new MachineType.VdeInterface(Path.of("/run/vde.ctl"))),
                List.of(
                        new MachineType.ArtifactStore(
                                "artifact",
                                "/srv/<RUNNER_NAME>",
                                "https://example.com/<RUNNER_NAME>",
                                DataSize.ofGibibytes(20),
                                Optional.empty()),
                        new MachineType.ArtifactStore(
                                "releases", "r", "u", DataSize.ofGibibytes(1024), Optional.of(Secret.of("extra")))));
        assertThat(config.host())
                .isEqualTo(new HostConfig(
                        Path.of("relative/forrest"),
                        DataSize.ofGibibytes(120),
                        DataSize.ofGibibytes(20),
                        Optional.of(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 8080)),
                        "qemu",
                        Map.of("accelerator", "tcg", "binary", "/opt/qemu"),
                        RunnerSource.AUTO,
                        new RetentionConfig(
                                3, Optional.of(Duration.ofDays(90)), Duration.ofHours(36), DataSize.ofMebibytes(1))));
        assertThat(config.github())
                .isEqualTo(new GitHubConfig(
                        "123456",
                        Path.of("/etc/forrest/key.pem"),
                        Secret.of("0123"),
                        Duration.ofSeconds(90),
                        URI.create("https://github.example.com/api/v3")));
        assertThat(config.repositories().get(repository).persistenceToken()).contains(Secret.of("let me stay"));
        assertThat(config.machineType(build.id())).contains(build);
        assertThat(config.machineType(base).orElseThrow().runner()).isEqualTo(RunnerSource.AUTO);
        // Images are found by this name, and file systems do not ignore case as GitHub does.
        assertThat(config.machineType(build.id()).orElseThrow().baseMachine().orElseThrow())
                .hasToString("Acme/firmware.github.io/base");
    }

    @Test
    public void whatIsNotGivenHasItsDefault() throws Exception {
        LoadedConfig loaded = load(machine(NEEDED));
        assertThat(loaded.config().host().listen()).isEmpty();
        assertThat(loaded.config().host().hypervisor()).isEqualTo("qemu");
        assertThat(loaded.config().host().hypervisorSettings()).isEmpty();
        assertThat(loaded.config().host().diskReserve()).isEqualTo(DataSize.ofGibibytes(5));
        RetentionConfig retention =
                new RetentionConfig(5, Optional.empty(), Duration.ofDays(30), DataSize.ofMebibytes(16));
        assertThat(loaded.config().host().retention()).isEqualTo(retention);
        assertThat(load(HOST + "  retention: {}\n" + GITHUB + "repositories: {}\n")
                        .config()
                        .host()
                        .retention())
                .isEqualTo(retention);
        assertThat(loaded.config().github().pollingInterval()).isEqualTo(Duration.ofMinutes(15));
        assertThat(loaded.config().github().apiUrl()).isEqualTo(URI.create("https://api.github.com"));
        assertThat(build(loaded).baseMachine()).isEmpty();
        assertThat(build(loaded).baseImage()).isEmpty();
        assertThat(build(loaded).useBase()).isEqualTo(UseBase.IF_NEWER);
        assertThat(build(loaded).setupTemplate().parameters()).isEmpty();
        assertThat(loaded.config().host().runner()).isEqualTo(RunnerSource.TEMPLATE);
        assertThat(build(loaded).runner()).isEqualTo(RunnerSource.TEMPLATE);
        assertThat(build(loaded).shared()).isEmpty();
        assertThat(build(loaded).networkInterfaces()).isEmpty();
        assertThat(build(loaded).artifacts()).isEmpty();
    }

    @Test
    public void theHostSaysWhereRunnersComeFromAndAMachineTypeMaySayOtherwise() throws Exception {
        assertThat(build(load(machine(NEEDED + "runner: auto\n"))).getsRunnerFromHost())
                .isTrue();
        String auto = machine(NEEDED).replace("ram: 120G\n", "ram: 120G\n  runner: auto\n");
        assertThat(build(load(auto)).getsRunnerFromHost()).isTrue();
        String template = machine(NEEDED + "runner: template\n").replace("ram: 120G\n", "ram: 120G\n  runner: auto\n");
        assertThat(build(load(template)).getsRunnerFromHost()).isFalse();
        assertThat(problems(machine(NEEDED + "runner: latest\n")))
                .singleElement()
                .asString()
                .contains(BUILD + ".runner", "Write auto or template.");
    }

    @Test
    public void aTemplateWhoseParametersNameARunnerKeepsIt() throws Exception {
        for (String parameter : List.of("RUNNER_VERSION", "RUNNER_HASH")) {
            MachineType pinned = build(load(machine(
                    """
                    setup_template: {path: t, parameters: {%s: "2.310"}}
                    runner: auto
                    cpus: 2
                    disk: 16G
                    ram: 4G
                    """
                            .formatted(parameter))));
            assertThat(pinned.getsRunnerFromHost()).isFalse();
        }
    }

    @Test
    public void theExampleAndItsFlatTwinGiveTheSameModel() throws Exception {
        Path nested = MarkdownBlocks.sourceFile("docs/examples/config.yaml");
        Path flat = MarkdownBlocks.sourceFile("forrest-core/src/test/resources/io/forrest/config/example-flat.yaml");
        ForrestConfig example = ConfigFile.load(nested, ConfigTexts.HYPERVISORS).config();
        assertThat(example)
                .isEqualTo(ConfigFile.load(flat, ConfigTexts.HYPERVISORS).config());
        assertThat(example.repositories()).hasSize(3);
        assertThat(Files.readString(flat)).doesNotContain("&", "<<");
    }

    @Test
    public void checkersFindTheLineOfAMachineTypesKeys() throws Exception {
        String yaml =
                """
                .small: &small
                  cpus: 2
                  disk: 16G
                  ram: 4G # here
                """
                        + machine("<< : *small\nbase_image: /debian.raw\nsetup_template: {path: /t}\n");
        LoadedConfig loaded = load(yaml);
        assertThat(loaded.line(build(loaded).configPath() + ".base_image")).hasValue(lineOf(yaml, "debian.raw"));
        assertThat(loaded.line(build(loaded).configPath() + ".ram")).hasValue(lineOf(yaml, "# here"));
        assertThat(loaded.line(build(loaded).configPath())).hasValue(lineOf(yaml, "build:"));
        assertThat(loaded.line(build(loaded).configPath() + ".base_machine")).isEmpty();
    }

    @DataProvider
    public Object[][] wrongMachineTypes() {
        return new Object[][] {
            {"ram: 4G", "ram: 32 GB", ".ram: \"32 GB\" is not a size. Write a whole number and one of B K M G T"},
            {"ram: 4G", "ram: 4g", ".ram: \"4g\" is not a size. Write"},
            {"ram: 4G", "ram: 0G", ".ram: \"0B\" is nothing. Write a size above 0."},
            {"ram: 4G", "ram: 1000K", ".ram: \"1000K\" is too little RAM for any guest. Write at least 1M."},
            {"ram: 4G", "ram: 99999999T", ".ram: \"99999999T\" is more than any disk or memory holds"},
            {"ram: 4G", "ram:", ".ram: There is no value. Give it one."},
            {"ram: 4G", "ram: [4G]", ".ram: Here must be a single value, but there is a list."},
            {"ram: 4G", "", ".ram: The key is missing."},
            {"ram: 4G", "ram: ~", ".ram: The key is missing."},
            {"cpus: 2", "cpus: four", ".cpus: \"four\" is not a positive whole number. Write e.g. 4."},
            {"cpus: 2", "cpus: 0", ".cpus: \"0\" is not a positive whole number."},
            {"cpus: 2", "cpus: -1", ".cpus: \"-1\" is not a positive whole number."},
            {"cpus: 2", "cpus: 99999999999", ".cpus: \"99999999999\" is not a positive whole number."},
            {"cpus: 2", "cpu: 2", ".cpu: Unknown key. Did you mean cpus?"},
            {"cpus: 2", "cpus: 2\nbase-machine: a/b/c", ".base-machine: Unknown key. Did you mean base_machine?"},
            {"cpus: 2", "cpus: 2\nnonsense: 1", ".nonsense: Unknown key. Possible are artifacts, base_image,"},
            {"cpus: 2", "cpus: 2\n\"<<\": 1", ".<<: Unknown key."},
            {"cpus: 2", "cpus: 2\n\"b\\nc d\": 1", ".\"b\\nc d\": Unknown key."},
            {"{path: /etc/forrest/template}", "/etc", ".setup_template: Here must be a mapping (key: value), but"},
            {"{path: /etc/forrest/template}", "{}", ".setup_template.path: The key is missing."},
            {
                "{path: /etc/forrest/template}",
                "{path: \"/a\\0\"}",
                ".setup_template.path: \"/a\\u0000\" cannot be a path."
            },
            {
                "{path: /etc/forrest/template}",
                "{path: /t, parameters: {A: }}",
                ".setup_template.parameters.A: There is no value. Give it one, or \"\" for an empty text."
            },
            {
                "{path: /etc/forrest/template}",
                "{path: /t, parameters: {A: [1]}}",
                ".setup_template.parameters.A: Here must be a single value, but there is a list."
            },
            {"cpus: 2", "cpus: 2\nuse_base: sometimes", ".use_base: \"sometimes\" is not possible here. Write always or"
            },
            {"cpus: 2", "cpus: 2\nbase_image: \" \"", ".base_image: There is no value."},
            {"cpus: 2", "cpus: 2\nbase_machine: build", ".base_machine: \"build\" is not of the form owner/repository/"
            },
            {
                "cpus: 2",
                "cpus: 2\nbase_machine: acme/firmware/biuld",
                ".base_machine: The configuration has no machine type acme/firmware/biuld."
                        + " Did you mean acme/firmware/build?"
            },
            {
                "cpus: 2",
                "cpus: 2\nbase_machine: acme/firmware/build",
                ".base_machine: The base machines form a circle, so none of them could ever start:"
                        + " acme/firmware/build -> acme/firmware/build. Let one"
            },
            {"cpus: 2", "cpus: 2\nshared: /srv", ".shared: Here must be a list (- item), but there is a single value."},
            {
                "cpus: 2",
                "cpus: 2\nshared:\n  -",
                ".shared[0]: Here must be a mapping (key: value), but there is nothing."
            },
            {"cpus: 2", "cpus: 2\nshared: [{path: /a}]", ".shared[0].tag: The key is missing."},
            {
                "cpus: 2",
                "cpus: 2\nshared: [{path: /a, tag: a, writable: maybe}]",
                ".shared[0].writable: \"maybe\" is neither true nor false. Write true or false."
            },
            {
                "cpus: 2",
                "cpus: 2\nshared: [{path: /a, tag: a}, {path: /b, tag: a}]",
                ".shared[1].tag: The tag \"a\" is already that of " + BUILD + ".shared[0].tag. Give each"
            },
            {
                "cpus: 2",
                "cpus: 2\nnetwork_interfaces: [{type: tap, path: /a}]",
                ".network_interfaces[0].type: \"tap\" is not possible here. Write vde."
            },
            {"cpus: 2", "cpus: 2\nnetwork_interfaces: [{path: /a}]", ".network_interfaces[0].type: The key is missing."
            },
            {
                "cpus: 2",
                "cpus: 2\nartifacts: [{path: a, url: b, quota: 1G}, {path: a, url: b, quota: 1G}]",
                ".artifacts[1]: The name \"artifact\" is already that of " + BUILD
                        + ".artifacts[0]; it is the default. Give each store"
            },
            {
                "cpus: 2",
                "cpus: 2\nartifacts: [{name: a/b, path: a, url: b, quota: 1G}]",
                ".artifacts[0].name: \"a/b\" cannot be the name of a store"
            },
            {"cpus: 2", "cpus: 2\nartifacts: [{path: a, url: b}]", ".artifacts[0].quota: The key is missing."},
            {
                "cpus: 2",
                "cpus: 2\nartifacts: [{path: a, url: b, quota: 1G, token: \"\"}]",
                ".artifacts[0].token: There is no value."
            },
        };
    }

    @Test(dataProvider = "wrongMachineTypes")
    public void aWrongMachineTypeIsOneProblemThatSaysWhereWhatAndWhatToDo(String from, String to, String problem) {
        assertThat(NEEDED).contains(from);
        assertThat(problems(machine(NEEDED.replace(from, to))))
                .singleElement()
                .asString()
                .contains(" " + BUILD + problem);
    }

    @DataProvider
    public Object[][] wrongHosts() {
        return new Object[][] {
            {"ram: 120G", "", "1 host.ram: The key is missing."},
            {"ram: 120G", "ram: lots", "3 host.ram: \"lots\" is not a size."},
            {"ram: 120G", "ram: 120G\n  listen: 8080", "4 host.listen: \"8080\" is not an address and a port. Write"},
            {"ram: 120G", "ram: 120G\n  listen: example.com:80", "4 host.listen: \"example.com:80\" is not an address"},
            {"ram: 120G", "ram: 120G\n  listen: 1.2.3.256:80", "4 host.listen: \"1.2.3.256:80\" is not an address"},
            {"ram: 120G", "ram: 120G\n  listen: 1.2.3.4:65536", "4 host.listen: \"1.2.3.4:65536\" is not an address"},
            {"ram: 120G", "ram: 120G\n  listen: \"[1.2.3.4]:80\"", "4 host.listen: \"[1.2.3.4]:80\" is not an address"},
            {"ram: 120G", "ram: 120G\n  listen: \"[::1::]:80\"", "4 host.listen: \"[::1::]:80\" is not an address"},
            {
                "ram: 120G",
                "ram: 120G\n  hypervisor: qemuu",
                "4 host.hypervisor: There is no hypervisor \"qemuu\" in this installation. Did you mean qemu?"
            },
            {
                "ram: 120G",
                "ram: 120G\n  hypervisor: vmware",
                "4 host.hypervisor: There is no hypervisor \"vmware\" in this installation."
                        + " There is firecracker, qemu."
            },
            {
                "ram: 120G",
                "ram: 120G\n  qemu:\n    accelerater: tcg",
                "5 host.qemu.accelerater: is an unknown key. Possible are [accelerator, binary, swtpm]."
            },
            {
                "ram: 120G",
                "ram: 120G\n  qemu:\n    accelerator: {kvm: true}",
                "5 host.qemu.accelerator: Here must be a single value, but there is a mapping."
            },
            {"ram: 120G", "ram: 120G\n  firecracker: {kernels: /boot}", "4 host.firecracker.kernels: is an unknown key."
            },
            {
                "ram: 120G",
                "ram: 120G\n  xen: {}",
                "4 host.xen: Unknown key. Possible are base_dir, disk_reserve, firecracker, hypervisor"
            },
            {
                "ram: 120G",
                "ram: 120G\n  disk_reserve: 5 GB",
                "4 host.disk_reserve: \"5 GB\" is not a size. Write a whole"
            },
            {
                "ram: 120G",
                "ram: 120G\n  disk_reserved: 5G",
                "4 host.disk_reserved: Unknown key. Did you mean disk_reserve?"
            },
            {
                "ram: 120G",
                "ram: 120G\n  retention: 30d",
                "4 host.retention: Here must be a mapping (key: value), but there is a single value."
            },
            {
                "ram: 120G",
                "ram: 120G\n  retention: {generations: 0}",
                "4 host.retention.generations: \"0\" is not a positive whole number. Write e.g. 4."
            },
            {
                "ram: 120G",
                "ram: 120G\n  retention: {generation_age: 3}",
                "4 host.retention.generation_age: \"3\" is not a duration. Write a whole number and one of s m h d"
            },
            {"ram: 120G", "ram: 120G\n  retention: {runs: 0d}", "4 host.retention.runs: \"0d\" is no time at all."},
            {"ram: 120G", "ram: 120G\n  retention: {log_size: 0M}", "4 host.retention.log_size: \"0B\" is nothing."},
            {
                "ram: 120G",
                "ram: 120G\n  retention: {images: 5}",
                "4 host.retention.images: Unknown key. Possible are generation_age, generations, log_size, runs."
            },
            {"base_dir: /var/lib/forrest", "base_dir:", "2 host.base_dir: There is no value."},
        };
    }

    @Test(dataProvider = "wrongHosts")
    public void aWrongHostIsOneProblem(String from, String to, String problem) {
        assertThat(HOST).contains(from);
        assertThat(problems(HOST.replace(from, to) + GITHUB + "repositories: {}\n"))
                .singleElement()
                .asString()
                .startsWith(problem);
    }

    @DataProvider
    public Object[][] wrongGitHubs() {
        return new Object[][] {
            {"app_id: 123456", "", "1 github.app_id: The key is missing."},
            {"app_id: 123456", "app_id: \"\"", "2 github.app_id: There is no value."},
            {"webhook_secret: hush-webhook", "webhook_secret:", "4 github.webhook_secret: There is no value."},
            {
                "webhook_secret: hush-webhook",
                "webhook_secret: [hush-webhook]",
                "4 github.webhook_secret: Here must be a single value, but there is a list."
            },
            {
                "webhook_secret: hush-webhook",
                "webhook_secret: <secret>",
                "4 github.webhook_secret: This stands where a secret was hidden when the configuration was printed."
            },
            {
                "app_id: 123456",
                "app_id: 1\n  polling_interval: 15",
                "3 github.polling_interval: \"15\" is not a duration."
            },
            {"app_id: 123456", "app_id: 1\n  polling_interval: 15 m", "3 github.polling_interval: \"15 m\" is not a"},
            {
                "app_id: 123456",
                "app_id: 1\n  polling_interval: 0s",
                "3 github.polling_interval: \"0s\" is no time at all."
            },
            {"app_id: 123456", "app_id: 1\n  polling_interval: 99999d", "3 github.polling_interval: \"99999d\" is more"
            },
            {"app_id: 123456", "app_id: 1\n  api_url: github.com", "3 github.api_url: \"github.com\" is not the address"
            },
            {"app_id: 123456", "app_id: 1\n  api_url: ftp://a.b", "3 github.api_url: \"ftp://a.b\" is not the address"},
            {"app_id: 123456", "app_id: 1\n  api_url: https://", "3 github.api_url: \"https://\" is not the address"},
            {"app_id: 123456", "app_id: 1\n  api_url: https://a b/", "3 github.api_url: \"https://a b/\" is not the"},
            {"app_id: 123456", "app_id: 1\n  api_url: https://a/?b", "3 github.api_url: \"https://a/?b\" is not the"},
            {
                "app_id: 123456",
                "app_id: 1\n  pooling_interval: 1m",
                "3 github.pooling_interval: Unknown key. Did you mean polling_"
            },
        };
    }

    @Test(dataProvider = "wrongGitHubs")
    public void aWrongGitHubIsOneProblem(String from, String to, String problem) {
        assertThat(GITHUB).contains(from);
        assertThat(problems(GITHUB.replace(from, to) + HOST + "repositories: {}\n"))
                .singleElement()
                .asString()
                .startsWith(problem);
    }

    @DataProvider
    public Object[][] wrongRepositories() {
        return new Object[][] {
            {"acme:", "repositories.acme: Here must be a mapping (key: value), but there is nothing."},
            {"acme: {firmware: {}}", "repositories.acme.firmware.machines: The key is missing."},
            {"acme: {firmware: {machines: []}}", "repositories.acme.firmware.machines: Here must be a mapping"},
            {
                "acme: {firmware: {machines: {}, persistence_token: \"\"}}",
                "repositories.acme.firmware.persistence_token: There is no value."
            },
            {
                "acme: {firmware: {machines: {}, persistence_token: }}",
                "repositories.acme.firmware.persistence_token: There is no value."
            },
            {
                "acme: {firmware: {machines: {}, persistance_token: a}}",
                "repositories.acme.firmware.persistance_token: Unknown key. Did you mean persistence_token?"
            },
            {"a.b: {firmware: {machines: {}}}", "repositories.a.b: \"a.b\" cannot be a name here. Owners at GitHub"},
            {"acme: {\"..\\u002f\": 1, b/c: {machines: {}}}", "repositories.acme.b/c: \"b/c\" cannot be a name here."},
            {
                "acme: {firmware: {machines: {}}, Firmware: {machines: {}}}",
                "repositories.acme.Firmware: GitHub ignores case: this is the repository repositories.acme.firmware of line"
            },
            {
                "acme: {firmware: {machines: {build image: {}}}}",
                "repositories.acme.firmware.machines.\"build image\": \"build image\" cannot be a name here."
            },
            {
                "acme: {firmware: {machines: {" + "a".repeat(40) + ": {}}}}",
                "cannot be a name here. Use up to 39 letters, digits and . _ -"
            },
        };
    }

    @Test(dataProvider = "wrongRepositories")
    public void aWrongRepositoryIsOneProblem(String yaml, String problem) {
        assertThat(problems(repositories(yaml))).singleElement().asString().contains(problem);
    }

    @Test
    public void machineTypesThatDifferOnlyInCaseAreRefusedBecauseJobsCannotTellThemApart() {
        String type = " {setup_template: {path: /t}, cpus: 1, disk: 1G, ram: 1G}\n";
        assertThat(problems(
                        repositories("acme:\n  firmware:\n    machines:\n      build:" + type + "      Build:" + type)))
                .containsExactly("13 repositories.acme.firmware.machines.Build: GitHub ignores case in labels: no job"
                        + " could tell this from repositories.acme.firmware.machines.build of line 12. Give it another"
                        + " name.");
    }

    @Test
    public void aMissingSectionIsToldAndTheOthersAreStillRead() {
        assertThat(problems("host: {ram: x, base_dir: /a}\nrepos: {}\n"))
                .containsExactlyInAnyOrder(
                        "1 host.ram: \"x\" is not a size. Write a whole number and one of B K M G T (powers of 1024),"
                                + " e.g. 32G.",
                        "1 github: The key is missing.",
                        "1 repositories: The key is missing.",
                        "2 repos: Unknown key. Possible are github, host, repositories.");
    }

    @Test
    public void aMachineTypeThatCouldNeverStartIsToldAtTheHostsRam() {
        assertThat(problems(machine(NEEDED.replace("ram: 4G", "ram: 128G"))))
                .containsExactly("3 host.ram: 120G is less than the 128G of machine type acme/firmware/build, which"
                        + " could never start.");
    }

    @Test
    public void aCircleOfBaseMachinesIsToldOnceWithAllItsSteps() {
        String machines = "";
        for (String[] type : new String[][] {{"a", "b"}, {"b", "c"}, {"c", "b"}, {"d", "a"}}) {
            machines +=
                    "      " + type[0] + ":\n" + (NEEDED + "base_machine: acme/firmware/" + type[1] + "\n").indent(8);
        }
        assertThat(problems(repositories("acme:\n  firmware:\n    machines:\n" + machines)))
                .singleElement()
                .asString()
                .contains("acme/firmware/b -> acme/firmware/c -> acme/firmware/b.");
    }

    @Test
    public void aBaseMachineThatIsThereButWrongIsNoSecondProblem() {
        assertThat(problems(repositories("acme:\n  firmware:\n    machines:\n      base: {cpus: 1}\n      build:\n"
                        + (NEEDED + "base_machine: acme/firmware/base\n").indent(8))))
                .hasSize(3)
                .allMatch(problem -> problem.contains(".machines.base.") && problem.endsWith("The key is missing."));
    }

    @Test
    public void aWrongValueThatIsMergedIntoManyPlacesIsOneProblemWhereItIsWritten() {
        String yaml = "machine_snippets:\n  small: &small\n"
                + NEEDED.replace("4G", "4 GB").indent(4)
                + repositories(
                        "acme:\n  firmware:\n    machines:\n      a: *small\n      b: {<< : *small}\n      c: *small\n");
        assertThat(problems(yaml))
                .containsExactly(lineOf(yaml, "4 GB")
                        + " repositories.acme.firmware.machines.a.ram: \"4 GB\" is not a size. Write a whole"
                        + " number and one of B K M G T (powers of 1024), e.g. 32G. (The same at 2 other places.)");
    }

    @Test
    public void whatABrokenMergeWouldHaveBroughtIsNotCalledMissing() {
        assertThat(problems(machine("<< : nonsense\ncpus: x\n")))
                .hasSize(2)
                .noneMatch(problem -> problem.contains("missing"));
    }

    @Test
    public void aMergedKeyCanBeTakenBack() throws Exception {
        LoadedConfig loaded =
                load(".base: &base {base_image: /debian.raw}\n" + machine("<< : *base\nbase_image: null\n" + NEEDED));
        assertThat(build(loaded).baseImage()).isEmpty();
    }

    @Test
    public void unknownKeysInDroppedPartsAreNobodysBusiness() {
        assertThat(problems(machine(NEEDED + ".old_key: {x: 1}\n") + "my_snippets: {nonsense: 1}\n.more: 2\n"))
                .isEmpty();
    }

    @Test
    public void listenTakesBothKindsOfAddress() throws Exception {
        for (String address : List.of("127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0", "localhost:80", "[fe80::1:2]:1")) {
            InetSocketAddress listen = load(HOST + "  listen: \"" + address + "\"\n" + GITHUB + "repositories: {}\n")
                    .config()
                    .host()
                    .listen()
                    .orElseThrow();
            assertThat(listen.isUnresolved()).isFalse();
            assertThat(address).endsWith(":" + listen.getPort());
        }
    }

    @Test
    public void aHypervisorThatFailsToCheckItsSettingsIsAProblemAndNoCrash() {
        HypervisorFactory failing = new HypervisorFactory() {
            @Override
            public String name() {
                return "qemu";
            }

            @Override
            public List<HostProblem> checkSettings(Map<String, String> settings) {
                throw new IllegalStateException("oops");
            }

            @Override
            public Hypervisor create(Map<String, String> settings) {
                throw new AssertionError("not to be made");
            }
        };
        assertThatThrownBy(() -> load(HOST + "  qemu: {a: 1}\n" + GITHUB + "repositories: {}\n", List.of(failing)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("The hypervisor qemu failed to check its settings")
                .hasMessageContaining("oops");
    }

    @Test
    public void noMessageShowsASecret() {
        String yaml = machine("tokn: hush-3\nartifacts: [{path: a, url: b, quota: x, token: hush-4, nme: hush-5}]\n")
                .replace("firmware:\n", "firmware:\n      persistence_token: {hush-1: hush-2}\n");
        assertThat(problems(yaml)).hasSizeGreaterThan(5).noneMatch(problem -> problem.contains("hush"));
    }

    @Test
    public void theMessageListsAllProblemsForPeople() {
        String machines = (NEEDED.replace("4G", "32 GB") + "base_machne: a/b/c\n").indent(8);
        ConfigException e = catchThrowableOfType(
                ConfigException.class,
                () -> load(repositories("acme:\n  firmware:\n    machines:\n      build:\n" + machines)
                        .replace("120G", "1 20G")));
        assertThat(e.getMessage().lines().skip(1))
                .containsExactly(
                        "  line  3  host.ram",
                        "           \"1 20G\" is not a size. Write a whole number and one of B K M G T (powers of"
                                + " 1024), e.g. 32G.",
                        "  line 16  repositories.acme.firmware.machines.build.ram",
                        "           \"32 GB\" is not a size. Write a whole number and one of B K M G T (powers of"
                                + " 1024), e.g. 32G.",
                        "  line 17  repositories.acme.firmware.machines.build.base_machne",
                        "           Unknown key. Did you mean base_machine?");
        assertThat(e.getMessage().lines().findFirst().orElseThrow()).endsWith(".yaml has 3 problems.");
        assertThat(e.problems()).hasSize(3);
    }

    @Test
    public void aHundredProblemsAreListedAndTheRestIsCounted() {
        StringBuilder yaml = new StringBuilder(HOST + GITHUB + "repositories: {}\n");
        for (int i = 0; i < 130; i++) {
            yaml.append("key").append(i).append(": 1\n");
        }
        ConfigException e = catchThrowableOfType(ConfigException.class, () -> load(yaml.toString()));
        assertThat(e.problems()).hasSize(130);
        assertThat(e.getMessage()).contains("has 130 problems.").endsWith("\n  ... and 30 more.");
    }

    @Test
    public void filesThatCannotBeReadAreOneClearProblem() throws Exception {
        Path directory = Files.createTempDirectory("config");
        assertThatThrownBy(() -> ConfigFile.load(directory.resolve("no.yaml"), ConfigTexts.HYPERVISORS))
                .isInstanceOf(ConfigException.class)
                .hasMessage(directory.resolve("no.yaml")
                        + " has 1 problem.\n  The file does not exist. Give the path of a configuration file.");
        assertThatThrownBy(() -> ConfigFile.load(directory, ConfigTexts.HYPERVISORS))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("This is not a plain file.");
        Path link = Files.createSymbolicLink(directory.resolve("link.yaml"), Path.of("nowhere"));
        assertThatThrownBy(() -> ConfigFile.load(link, ConfigTexts.HYPERVISORS))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("The file is a symbolic link to nothing.");
    }
}
