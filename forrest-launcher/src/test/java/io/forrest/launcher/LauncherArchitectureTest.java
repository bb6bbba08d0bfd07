package io.forrest.launcher;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import io.forrest.testing.HouseRules;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** From here all modules can be seen: who owns which library, and who may know whom. */
public class LauncherArchitectureTest extends HouseRules {
    @DataProvider
    public Object[][] owners() {
        return new Object[][] {
            {
                "jnr..",
                "io.forrest.images, io.forrest.launcher",
                new String[] {"io.forrest.images", "io.forrest.launcher"}
            },
            {"org.apache.commons.exec..", "io.forrest.vm.qemu", new String[] {"io.forrest.vm.qemu"}},
            {"org.kohsuke..", "io.forrest.github", new String[] {"io.forrest.github"}},
            {"org.yaml..", "io.forrest.config", new String[] {"io.forrest.config"}},
            {"org.eclipse.jetty..", "io.forrest.launcher.api", new String[] {"io.forrest.launcher.api"}},
            {"picocli..", "the launcher", new String[] {"io.forrest.launcher.."}},
        };
    }

    @Test(dataProvider = "owners")
    public void aLibraryHasOneOwner(String library, String owner, String[] packages) {
        noClasses()
                .that()
                .resideOutsideOfPackages(packages)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(library)
                .because("its owner, " + owner + ", can be asked about it and can replace it")
                .check(house);
    }

    @DataProvider
    public Object[][] siblings() {
        return new Object[][] {
            {"io.forrest.images..", new String[] {"io.forrest.vm..", "io.forrest.github..", "io.forrest.launcher.."}},
            {"io.forrest.vm..", new String[] {"io.forrest.images..", "io.forrest.github..", "io.forrest.launcher.."}},
            {"io.forrest.github..", new String[] {"io.forrest.images..", "io.forrest.vm..", "io.forrest.launcher.."}},
        };
    }

    @Test(dataProvider = "siblings")
    public void modulesBesideEachOtherDoNotKnowEachOther(String module, String[] others) {
        noClasses()
                .that()
                .resideInAPackage(module)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(others)
                .because("each can be replaced by somebody else's")
                .check(house);
    }
}
