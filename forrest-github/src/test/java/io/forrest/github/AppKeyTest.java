package io.forrest.github;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.forrest.domain.Secret;
import io.forrest.spi.PluginException;
import io.forrest.testing.HostNeeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Whatever lies where the App's key should be, one line says what is wrong with it. */
public class AppKeyTest {
    private static final Instant NOW = Instant.parse("2026-03-01T10:00:00Z");

    private Path directory;
    private KeyPair pair;

    @BeforeClass
    public void makeKey() throws Exception {
        directory = Files.createTempDirectory("forrest-keys");
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        pair = generator.generateKeyPair();
    }

    @AfterClass(alwaysRun = true)
    public void removeKeys() throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private static String pem(String title, byte[] der) {
        return "-----BEGIN " + title + "-----\n"
                + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
                + "\n-----END " + title + "-----\n";
    }

    private byte[] pkcs8() {
        return pair.getPrivate().getEncoded();
    }

    /** What PKCS#8 wraps: behind version, algorithm and the octet string's head, 26 bytes in all for keys of this size. */
    private byte[] pkcs1() {
        return Arrays.copyOfRange(pkcs8(), 26, pkcs8().length);
    }

    private Path file(String name, String content) throws IOException {
        return Files.writeString(directory.resolve(name), content);
    }

    private void openssl(String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of(HostNeeds.program("openssl").toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("openssl.log").toFile())
                .start();
        assertThat(process.waitFor())
                .as(Files.readString(directory.resolve("openssl.log")))
                .isZero();
    }

    private static void assertRefused(Path file, String... words) {
        assertThatThrownBy(() -> AppKey.read(file))
                .isInstanceOfSatisfying(
                        PluginException.class, e -> assertThat(e.kind()).isEqualTo(PluginException.Kind.BROKEN))
                .hasMessageContaining("github.jwt_key_file: " + file)
                .hasMessageContainingAll(words)
                .message()
                .doesNotContain("\n");
    }

    private void assertSigns(Path file) throws Exception {
        String[] parts = AppKey.read(file).jsonWebToken("4711", NOW).reveal().split("\\.", -1);
        Signature signature = Signature.getInstance("SHA256withRSA");
        signature.initVerify(pair.getPublic());
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
        assertThat(signature.verify(Base64.getUrlDecoder().decode(parts[2]))).isTrue();
    }

    @Test
    public void aKeyInPkcs8IsTaken() throws Exception {
        assertSigns(file("pkcs8.pem", pem("PRIVATE KEY", pkcs8())));
    }

    @Test
    public void aKeyInPkcs1AsGitHubHandsItOutIsTaken() throws Exception {
        assertSigns(file("pkcs1.pem", pem("RSA PRIVATE KEY", pkcs1())));
    }

    @Test
    public void windowsLineEndsAndTextAroundTheKeyDoNoHarm() throws Exception {
        assertSigns(file(
                "windows.pem",
                "The key of the App\r\n" + pem("RSA PRIVATE KEY", pkcs1()).replace("\n", "\r\n") + "\r\n\r\n"));
    }

    @Test
    public void keysMadeByOpensslAreTakenInBothForms() throws Exception {
        openssl("genrsa", "-traditional", "-out", "genrsa.pem", "2048");
        assertThat(directory.resolve("genrsa.pem")).content().startsWith("-----BEGIN RSA PRIVATE KEY-----");
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", "genrsa.pem", "-out", "topk8.pem");
        assertThat(directory.resolve("topk8.pem")).content().startsWith("-----BEGIN PRIVATE KEY-----");
        // RSA signatures of this kind have nothing random in them: the same token twice is the same key twice.
        Secret token = AppKey.read(directory.resolve("genrsa.pem")).jsonWebToken("1", NOW);
        assertThat(AppKey.read(directory.resolve("topk8.pem")).jsonWebToken("1", NOW))
                .isEqualTo(token);
        openssl("genrsa", "-traditional", "-out", "large.pem", "4096");
        AppKey.read(directory.resolve("large.pem"));
    }

    @Test
    public void anEncryptedKeyIsRefusedInBothForms() throws Exception {
        openssl("genrsa", "-traditional", "-out", "plain.pem", "2048");
        openssl("rsa", "-in", "plain.pem", "-traditional", "-aes256", "-passout", "pass:x", "-out", "enc1.pem");
        openssl("pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:x", "-out", "enc8.pem");
        assertRefused(directory.resolve("enc1.pem"), "encrypted");
        assertRefused(directory.resolve("enc8.pem"), "encrypted");
    }

    @Test
    public void aKeyThatIsNotRsaIsRefused() throws Exception {
        KeyPair ec = KeyPairGenerator.getInstance("EC").generateKeyPair();
        assertRefused(file("ec.pem", pem("PRIVATE KEY", ec.getPrivate().getEncoded())), "RSA");
        assertRefused(file("ec1.pem", pem("EC PRIVATE KEY", ec.getPrivate().getEncoded())), "RSA");
        assertRefused(file("public.pem", pem("PUBLIC KEY", pair.getPublic().getEncoded())), "RSA");
    }

    @DataProvider
    public Object[][] garbage() {
        byte[] cut = Arrays.copyOf(pkcs1(), 600);
        return new Object[][] {
            {""},
            {"hello"},
            {"\0\1\2\3"},
            {pem("RSA PRIVATE KEY", new byte[] {1, 2, 3})},
            {pem("PRIVATE KEY", new byte[0])},
            {pem("RSA PRIVATE KEY", cut)},
            {pem("PRIVATE KEY", pkcs1())},
            {pem("RSA PRIVATE KEY", pkcs8())},
            {"-----BEGIN RSA PRIVATE KEY-----\n"},
            {"-----BEGIN RSA PRIVATE KEY-----\n!!!\n-----END RSA PRIVATE KEY-----\n"},
        };
    }

    @Test(dataProvider = "garbage")
    public void garbageIsRefused(String content) throws Exception {
        assertRefused(file("garbage.pem", content), "key");
    }

    @Test
    public void aFileThatIsMissingIsSaidToBeMissing() {
        assertRefused(directory.resolve("nowhere.pem"), "does not exist", "GitHub App");
    }

    @Test
    public void aDirectoryIsNoKey() {
        assertRefused(directory, "is not a file");
    }

    @Test
    public void anEndlessDeviceIsNotRead() {
        assertRefused(Path.of("/dev/zero"), "is not a file");
    }

    @Test
    public void aFileThatIsMuchTooLargeIsNotRead() throws Exception {
        assertRefused(file("large.pem", "x".repeat(100_000)), "too large");
    }

    @Test
    public void aFileThatMayNotBeReadIsSaidToBeForbidden() throws Exception {
        Path file = file("secret.pem", "x");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
        // Root reads everything.
        assertRefused(file, Files.isReadable(file) ? "no RSA private key" : "may not be read");
    }

    @Test
    public void theTokenSaysWhoWhenAndForHowLong() throws Exception {
        Path file = file("claims.pem", pem("RSA PRIVATE KEY", pkcs1()));
        String token = AppKey.read(file).jsonWebToken("Iv1.\"odd\\", NOW).reveal();
        JsonNode claims = new ObjectMapper().readTree(Base64.getUrlDecoder().decode(token.split("\\.", -1)[1]));
        assertThat(claims.path("iss").asText()).isEqualTo("Iv1.\"odd\\");
        assertThat(claims.path("iat").longValue()).isEqualTo(NOW.getEpochSecond() - 60);
        // GitHub wants no more than ten minutes from now.
        assertThat(claims.path("exp").longValue()).isEqualTo(NOW.getEpochSecond() + 540);
    }

    @Test
    public void aTokenDoesNotShowInLogs() throws Exception {
        Path file = file("hidden.pem", pem("RSA PRIVATE KEY", pkcs1()));
        assertThat(AppKey.read(file).jsonWebToken("1", NOW)).hasToString("<secret>");
    }
}
