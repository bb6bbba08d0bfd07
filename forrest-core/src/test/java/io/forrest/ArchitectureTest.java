package io.forrest;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import io.forrest.testing.HouseRules;
import org.testng.annotations.Test;

/** The rules of the house, each with its reason. */
public class ArchitectureTest extends HouseRules {
    @Test
    public void theSpiSeesTheDomainAndTheJdkOnly() {
        classes()
                .that()
                .resideInAPackage("io.forrest.spi")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("io.forrest.spi", "io.forrest.domain", "java..")
                .because("a plugin must not be tied to libraries or inner parts of one version of Forrest")
                .check(house);
    }

    @Test
    public void theDomainSeesTheJdkOnly() {
        classes()
                .that()
                .resideInAPackage("io.forrest.domain")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("io.forrest.domain", "java..")
                .because("everything depends on it")
                .check(house);
    }

    @Test
    public void theFleetTouchesNoFilesNoNetworkAndNoThreadPool() {
        noClasses()
                .that()
                .resideInAPackage("io.forrest.fleet")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.io..", "java.nio..", "java.net..", "io.forrest.work..", "io.forrest")
                .because("it decides on one thread, and whatever blocks there holds up every machine")
                .check(house);
    }

    @Test
    public void onlyTheConfigurationKnowsYaml() {
        noClasses()
                .that()
                .resideOutsideOfPackage("io.forrest.config")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.yaml..")
                .because("a library has one owner, who can be asked and who can replace it")
                .check(house);
    }

    @Test
    public void packagesDoNotDependOnEachOtherInCircles() {
        SlicesRuleDefinition.slices()
                .matching("io.forrest.(*)..")
                .should()
                .beFreeOfCycles()
                .because("a circle can only be understood as a whole")
                .check(house);
    }
}
