import com.eatthepath.pushy.apns.auth.ApnsVerificationKey;
import com.eatthepath.pushy.apns.server.MockApnsServer;
import com.eatthepath.pushy.apns.server.MockApnsServerBuilder;
import com.eatthepath.pushy.apns.server.PushNotificationHandler;
import com.eatthepath.pushy.apns.server.ValidatingPushNotificationHandlerFactory;
import java.io.File;
import java.io.FileInputStream;
import java.math.BigInteger;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.Set;

/** Pushy's mock of APNs, which checks requests as APNs does. Arguments: certificate, its key, public key of the team, team id, key id,
 * topic, a device token, the token of a device that is gone. Prints its port; ends when its input does. */
class MockApns {
    public static void main(String[] given) throws Exception {
        ApnsVerificationKey key;
        try (FileInputStream pem = new FileInputStream(given[2])) {
            key = ApnsVerificationKey.loadFromInputStream(pem, given[3], given[4]);
        }
        String topic = given[5];
        ValidatingPushNotificationHandlerFactory judge = new ValidatingPushNotificationHandlerFactory(
            Map.of(topic, Set.of(given[6])),
            Map.of(given[7], Instant.ofEpochSecond(1767225600)),
            Map.of(given[4], key),
            Map.of(key, Set.of(topic)));
        MockApnsServer server = new MockApnsServerBuilder()
            .setServerCredentials(new File(given[0]), new File(given[1]), null)
            .setMaxConcurrentStreams(20)
            .setHandlerFactory(session -> withPushysSignature(judge.buildHandler(session)))
            .build();
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        server.start(port).get();
        System.out.println(port);
        while (System.in.read() >= 0) { }
        server.shutdown().get();
    }

    /** Pushy 0.15.4 signs and reads tokens with signatures in DER, and answers any other with InternalServerError. RFC 7518 (section 3.4)
     * asks for the two numbers side by side; APNs takes both. So the signature is written as Pushy reads it, and Pushy judges it. */
    private static PushNotificationHandler withPushysSignature(PushNotificationHandler judge) {
        return (headers, payload) -> {
            String token = headers.get("authorization").toString();
            int dot = token.lastIndexOf('.');
            byte[] signature = Base64.getUrlDecoder().decode(token.substring(dot + 1));
            if (signature.length != 64) {
                throw new IllegalArgumentException("The signature is not one of RFC 7518: it has " + signature.length + " bytes");
            }
            String der = Base64.getUrlEncoder().withoutPadding().encodeToString(der(signature));
            headers.set("authorization", token.substring(0, dot + 1) + der);
            judge.handlePushNotification(headers, payload);
        };
    }

    private static byte[] der(byte[] numbers) {
        byte[] r = new BigInteger(1, Arrays.copyOf(numbers, 32)).toByteArray();
        byte[] s = new BigInteger(1, Arrays.copyOfRange(numbers, 32, 64)).toByteArray();
        ByteBuffer sequence = ByteBuffer.allocate(6 + r.length + s.length);
        sequence.put((byte) 0x30).put((byte) (4 + r.length + s.length));
        sequence.put((byte) 0x02).put((byte) r.length).put(r);
        return sequence.put((byte) 0x02).put((byte) s.length).put(s).array();
    }
}
