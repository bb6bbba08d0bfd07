package io.forrest.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import io.forrest.domain.JobId;
import io.forrest.fleet.FleetTimings;
import io.forrest.testing.HostNeeds;
import io.forrest.testing.VdeSwitch;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.annotations.Test;

/** Real guests on a real VDE switch. */
@Test(groups = {"qemu", "loop"})
public class VdeTest {
    private static final Pattern MAC = Pattern.compile("mac: (\\S+)");
    private static final Pattern LOCALLY_ADMINISTERED = Pattern.compile("[0-9a-f][26ae](:[0-9a-f]{2}){5}");

    private static final String SERVER =
            """
            set -eu
            ip addr add 10.9.0.1/24 dev eth1
            ip link set eth1 up
            echo "mac: $(cat /sys/class/net/eth1/address)"
            mkdir /tmp/www
            echo "a word over the switch" > /tmp/www/word
            httpd -f -vv -p 80 -h /tmp/www 2> /tmp/log &
            tries=120
            until grep -q 'response:200' /tmp/log; do
                tries=$((tries - 1))
                [ $tries -gt 0 ] || exit 1
                sleep 1
            done
            cat /proc/net/arp
            """;

    private static final String CLIENT =
            """
            set -eu
            ip addr add 10.9.0.2/24 dev eth1
            ip link set eth1 up
            echo "mac: $(cat /sys/class/net/eth1/address)"
            tries=120
            until timeout 5 wget -q -O /tmp/word http://10.9.0.1/word; do
                tries=$((tries - 1))
                [ $tries -gt 0 ] || exit 1
                sleep 1
            done
            cat /tmp/word
            """;

    private static String mac(String log) {
        Matcher mac = MAC.matcher(log);
        assertThat(mac.find()).as(log).isTrue();
        return mac.group(1);
    }

    @Test
    public void guestsOnTheSameSwitchTalkToEachOther() throws Exception {
        HostNeeds.program("vde_switch");
        try (VdeSwitch vde = new VdeSwitch();
                TinyFarm farm = new TinyFarm(
                        "256M",
                        FleetTimings.DEFAULT,
                        "network_interfaces: [{type: vde, path: " + vde.directory() + "}]")) {
            JobId server = farm.queue("server", SERVER);
            JobId client = farm.queue("client", CLIENT);
            farm.outcome(server);
            farm.outcome(client);

            String served = farm.gitHub().job(server).log();
            String got = farm.gitHub().job(client).log();
            assertThat(farm.gitHub().job(client).conclusion()).as(got).isEqualTo(Optional.of("success"));
            assertThat(farm.gitHub().job(server).conclusion()).as(served).isEqualTo(Optional.of("success"));
            assertThat(got).contains("a word over the switch");
            assertThat(mac(got)).matches(LOCALLY_ADMINISTERED).isNotEqualTo(mac(served));
            assertThat(served).as("who asked").contains(mac(got));
        }
    }
}
