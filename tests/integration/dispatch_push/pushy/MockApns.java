import com.eatthepath.pushy.apns.auth.ApnsVerificationKey;
import com.eatthepath.pushy.apns.server.MockApnsServer;
import com.eatthepath.pushy.apns.server.MockApnsServerBuilder;
import com.eatthepath.pushy.apns.server.ValidatingPushNotificationHandlerFactory;
import java.io.File;
import java.io.FileInputStream;
import java.net.ServerSocket;
import java.time.Instant;
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
        MockApnsServer server = new MockApnsServerBuilder()
            .setServerCredentials(new File(given[0]), new File(given[1]), null)
            .setMaxConcurrentStreams(20)
            .setHandlerFactory(new ValidatingPushNotificationHandlerFactory(
                Map.of(topic, Set.of(given[6])),
                Map.of(given[7], Instant.ofEpochSecond(1767225600)),
                Map.of(given[4], key),
                Map.of(key, Set.of(topic))))
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
}
