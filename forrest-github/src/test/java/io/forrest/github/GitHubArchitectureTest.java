package io.forrest.github;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import io.forrest.testing.HouseRules;
import org.testng.annotations.Test;

/** The rules of this module, each with its reason. */
public class GitHubArchitectureTest extends HouseRules {
    @Test
    public void theEmbeddedGitHubKnowsNothingOfTheClient() {
        noClasses()
                .that()
                .resideInAPackage("io.forrest.github.embedded")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.forrest.github", "org.kohsuke..")
                .because("a mistake that both had in common would never be found")
                .check(house);
    }

    @Test
    public void theClientKnowsNothingOfTheEmbeddedGitHub() {
        noClasses()
                .that()
                .resideInAPackage("io.forrest.github")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.forrest.github.embedded", "com.sun..")
                .because("the real GitHub is to be served no other way")
                .check(house);
    }
}
