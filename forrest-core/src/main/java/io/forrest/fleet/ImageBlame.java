package io.forrest.fleet;

import io.forrest.domain.MachineTypeId;
import io.forrest.spi.DiskOrigin;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Which image is to blame for machines that do not come up.
 *
 * <p>Two machines in a row of the same version, and none that came up between them, are evidence against it. If machines
 * of that type do not come up from whatever else they are made of either, the fault was elsewhere, and the image is taken
 * back. What it knows is lost with the process; the image store remembers what must not be forgotten.
 *
 * <p>Not thread-safe: belongs to the fleet thread.
 */
final class ImageBlame {
    private static final int EVIDENCE = 2;

    /** Versions are made with each promotion, for years. */
    private static final int MOST_VERSIONS = 1000;

    private final FleetHands hands;
    private final Map<String, Integer> failuresOfVersion = new LinkedHashMap<>();
    private final Set<String> cameUp = new LinkedHashSet<>();
    private final Map<MachineTypeId, Accusation> accusations = new HashMap<>();
    private final Set<MachineTypeId> faultIsElsewhere = new HashSet<>();

    /** {@code image} was set aside; so many machines of others did not come up since. */
    private record Accusation(DiskOrigin image, int failuresOfOthers) {
        boolean isOf(DiskOrigin origin) {
            return image.version().equals(origin.version());
        }
    }

    ImageBlame(FleetHands hands) {
        this.hands = hands;
    }

    /** A machine of {@code type} came up; {@code origin} is empty if it is not known what it was made of. */
    void cameUp(MachineTypeId type, Optional<DiskOrigin> origin) {
        faultIsElsewhere.remove(type);
        origin.ifPresent(image -> {
            failuresOfVersion.remove(image.version());
            if (cameUp.add(image.version())) {
                hands.imageCameUp(image);
                keepSmall(cameUp.iterator(), cameUp.size());
            }
            accusations.values().removeIf(accusation -> {
                if (accusation.isOf(image)) {
                    hands.reinstateImage(image, "a machine that was made of it came up after all");
                }
                return accusation.isOf(image);
            });
        });
        accusations.remove(type);
    }

    /** A machine of {@code type} did not come up, and it can only be its image's fault; returns what follows, for people. */
    String didNotComeUp(MachineTypeId type, DiskOrigin origin) {
        Accusation accusation = accusations.get(type);
        if (accusation != null && !accusation.isOf(origin)) {
            int failures = accusation.failuresOfOthers() + 1;
            if (failures < EVIDENCE) {
                accusations.put(type, new Accusation(accusation.image(), failures));
                return "It was not made of the image that was set aside; if the next one does not come up either, that image"
                        + " is taken back";
            }
            accusations.remove(type);
            faultIsElsewhere.add(type);
            hands.reinstateImage(
                    accusation.image(),
                    "machines of " + type + " do not come up without it either: see to the host, the"
                            + " network and the template");
            return "The image that was set aside is taken back: the fault is elsewhere, in the host, the network or the"
                    + " template, and no image of this type is blamed until a machine comes up";
        }
        if (faultIsElsewhere.contains(type)) {
            return "No image is blamed, as machines of this type did not come up from others either";
        }
        if (cameUp.contains(origin.version())) {
            return "Its image is not to blame, as others came up from it";
        }
        if (accusations.values().stream().anyMatch(known -> known.isOf(origin))) {
            return "Its image was blamed before, and is left as it is now";
        }
        if (failuresOfVersion.merge(origin.version(), 1, Integer::sum) < EVIDENCE) {
            keepSmall(failuresOfVersion.keySet().iterator(), failuresOfVersion.size());
            return "Its image is set aside if the next machine that is made of it does not come up either";
        }
        failuresOfVersion.remove(origin.version());
        accusations.put(type, new Accusation(origin, 0));
        hands.setImageAside(origin, EVIDENCE + " machines in a row that were made of it did not come up");
        return "It is the second in a row, so its image is set aside, unless it is a base image or a machine came up from it"
                + " before";
    }

    /** The eldest makes way; the image store takes the same news twice. */
    private static void keepSmall(Iterator<String> eldestFirst, int size) {
        if (size > MOST_VERSIONS) {
            eldestFirst.next();
            eldestFirst.remove();
        }
    }
}
