package io.forrest.testing;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Date;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.testng.annotations.Test;

/** What holds in every module: a module extends this in its tests, and all it can see of Forrest is held to it. */
public abstract class HouseRules {
    /** Everything of Forrest's on the class path, tests left out. */
    protected final JavaClasses house = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .withImportOption(location -> !location.contains("-tests.jar"))
            .importPackages("io.forrest");

    @Test
    public void onlyModulesAndTheLauncherKnowGuice() {
        noClasses()
                .that()
                .haveSimpleNameNotEndingWith("Module")
                .and()
                .resideOutsideOfPackage("io.forrest.launcher..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("com.google.inject..", "jakarta.inject..")
                .because("an embedder without Guice constructs everything by hand")
                .check(house);
    }

    @Test
    public void nobodySleeps() {
        noClasses()
                .should()
                .callMethod(Thread.class, "sleep", long.class)
                .orShould()
                .callMethod(Thread.class, "sleep", long.class, int.class)
                .orShould()
                .callMethod(TimeUnit.class, "sleep", long.class)
                .because("who sleeps is too late or wakes for nothing; wait for what is to happen, with a timeout")
                .check(house);
    }

    @Test
    public void timeIsReadFromAClockThatIsGiven() {
        for (Class<?> time : List.of(
                Instant.class, LocalDate.class, LocalDateTime.class, OffsetDateTime.class, ZonedDateTime.class)) {
            noClasses()
                    .should()
                    .callMethod(time, "now")
                    .because("a test must be able to let a day go by")
                    .check(house);
        }
        noClasses()
                .should()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callConstructor(Date.class)
                .because(
                        "a test must be able to let a day go by; for how long something takes there is System.nanoTime")
                .check(house);
    }
}
