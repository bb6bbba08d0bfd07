package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.domain.DataSize;
import io.forrest.domain.HostProblem;
import io.forrest.domain.MachineId;
import io.forrest.domain.MachineTypeId;
import io.forrest.spi.DiskOrigin;
import io.forrest.spi.DiskRequest;
import io.forrest.spi.ImageStore;
import io.forrest.spi.PluginException;
import io.forrest.spi.Provenance;
import io.forrest.spi.Retention;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The suite notices stores that do something wrong. */
public class ImageStoreContractTest {
    /** A sound store, of which others get one thing wrong. */
    private static class Store implements ImageStore {
        final InMemoryImageStore sound = new InMemoryImageStore();

        @Override
        public List<HostProblem> checkHost() {
            return sound.checkHost();
        }

        @Override
        public List<HostProblem> checkBaseImage(Path image) {
            return sound.checkBaseImage(image);
        }

        @Override
        public DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException {
            return sound.createDisk(request, disk);
        }

        @Override
        public boolean hasTpmState(MachineTypeId type) {
            return sound.hasTpmState(type);
        }

        @Override
        public boolean createTpmState(MachineTypeId type, Path copy) throws PluginException {
            return sound.createTpmState(type, copy);
        }

        @Override
        public void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException {
            sound.promote(type, disk, provenance);
        }

        @Override
        public void cameUp(DiskOrigin origin) throws PluginException {
            sound.cameUp(origin);
        }

        @Override
        public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
            return sound.setAside(origin, reason);
        }

        @Override
        public boolean reinstate(DiskOrigin origin) throws PluginException {
            return sound.reinstate(origin);
        }

        @Override
        public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
            sound.tidy(retention, inUse);
        }

        @Override
        public DataSize freeSpace() {
            return sound.freeSpace();
        }
    }

    private static final class ForgetsTheTpmState extends Store {
        @Override
        public boolean createTpmState(MachineTypeId type, Path copy) throws PluginException {
            try {
                Files.createFile(copy);
            } catch (IOException e) {
                throw new PluginException(PluginException.Kind.BROKEN, "" + e, e);
            }
            return sound.hasTpmState(type);
        }
    }

    private static final class PromotesTwice extends Store {
        @Override
        public void promote(MachineTypeId type, Path disk, Provenance provenance) throws PluginException {
            super.promote(
                    type,
                    disk,
                    new Provenance(
                            MachineId.random(type), provenance.job(), provenance.origin(), provenance.endedAt()));
        }
    }

    private static final class ForgetsWhatCameUp extends Store {
        @Override
        public void cameUp(DiskOrigin origin) {}
    }

    private static final class BlamesBases extends Store {
        @Override
        public Optional<String> setAside(DiskOrigin origin, String reason) throws PluginException {
            return super.setAside(new DiskOrigin(origin.image(), true, origin.version()), reason);
        }
    }

    private static final class NeverReinstates extends Store {
        @Override
        public boolean reinstate(DiskOrigin origin) {
            return false;
        }
    }

    private static final class OnlySaysThatItReinstates extends Store {
        @Override
        public boolean reinstate(DiskOrigin origin) {
            return true;
        }
    }

    private static final class NeverTidies extends Store {
        @Override
        public void tidy(Retention retention, Set<DiskOrigin> inUse) {}
    }

    private static final class TidiesWhatIsInUse extends Store {
        @Override
        public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
            super.tidy(retention, Set.of());
        }
    }

    private static final class KeepsOneTooFew extends Store {
        @Override
        public void tidy(Retention retention, Set<DiskOrigin> inUse) throws PluginException {
            super.tidy(new Retention(1, retention.age(), retention.freeSpace()), inUse);
        }
    }

    private static final class HasOneVersionForAll extends Store {
        @Override
        public DiskOrigin createDisk(DiskRequest request, Path disk) throws PluginException {
            DiskOrigin origin = super.createDisk(request, disk);
            return new DiskOrigin(origin.image(), origin.ownImage(), "1");
        }
    }

    @DataProvider
    public static Object[][] wrongStores() {
        return new Object[][] {
            store(ForgetsTheTpmState::new, "eachMachineGetsAPrivateCopyOfItsTypesTpmState"),
            store(PromotesTwice::new, "aPromotionThatIsTriedAgainIsDoneOnceWhetherOrNotItsDiskIsStillThere"),
            store(ForgetsWhatCameUp::new, "anImageFromWhichAMachineCameUpIsNeverSetAside"),
            store(ForgetsWhatCameUp::new, "howManyItMayLeaveTheRetentionLeavesTheLastOneFromWhichAMachineCameUp"),
            store(BlamesBases::new, "aBaseThatNothingCanTakeThePlaceOfIsNeitherSetAsideNorReinstated"),
            store(NeverReinstates::new, "aBaseMachinesImageMakesWayForTheOneBeforeAndIsReinstated"),
            store(NeverReinstates::new, "anImageIsReinstatedUnlessThereIsANewerOne"),
            store(NeverReinstates::new, "theOnlyImageIsReinstatedAfterItsBaseFailedToo"),
            store(OnlySaysThatItReinstates::new, "anImageIsReinstatedUnlessThereIsANewerOne"),
            store(NeverTidies::new, "theRetentionLeavesTheMachineImageAndAsManyBeforeItAsItSays"),
            store(NeverTidies::new, "theMachineImageStaysThoughItIsAnOldOne"),
            store(NeverTidies::new, "whileThereIsTooLittleSpaceOnlyTheMachineImageStaysAndWhatMachinesRunOn"),
            store(TidiesWhatIsInUse::new, "theRetentionLeavesWhatMachinesRunOn"),
            store(KeepsOneTooFew::new, "theRetentionLeavesTheMachineImageAndAsManyBeforeItAsItSays"),
            store(HasOneVersionForAll::new, "disksOfTheSameImageHaveTheSameVersionAndOthersNever"),
            store(HasOneVersionForAll::new, "anImageThatIsSetAsideLeavesTheOneBeforeAndAtLastTheBase"),
        };
    }

    private static Object[] store(Supplier<ImageStore> store, String sentence) {
        return new Object[] {sentence, store};
    }

    @Test(dataProvider = "wrongStores")
    public void aWrongStoreFailsTheSentenceThatItBreaks(String sentence, Supplier<ImageStore> wrong) throws Exception {
        Path directory = Files.createTempDirectory("wrong-store");
        run(sentence, directory, Store::new);
        assertThatThrownBy(() -> run(sentence, directory, wrong))
                .isInstanceOf(InvocationTargetException.class)
                .cause()
                .isInstanceOfAny(AssertionError.class, PluginException.class);
    }

    private static void run(String sentence, Path directory, Supplier<ImageStore> store)
            throws IOException, ReflectiveOperationException {
        ImageStoreContract suite = new ImageStoreContract() {
            @Override
            protected Path directory() {
                return directory;
            }

            @Override
            protected ImageStore store(Path baseDirectory) {
                return store.get();
            }

            @Override
            protected void putTpmState(ImageStore of, Path baseDirectory, MachineTypeId type, byte[] state) {
                ((Store) of).sound.putTpmState(type, state);
            }
        };
        suite.makeStore();
        assertThat(ImageStoreContract.class.getMethod(sentence).invoke(suite)).isNull();
    }
}
